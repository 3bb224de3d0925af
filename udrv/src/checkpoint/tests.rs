//! What is read, and what is not: it may come from anywhere.

use proptest::prelude::*;
use serde_json::Value;
use udrv_driver::MacAddress;

use super::*;
use crate::input::Scaling;
use crate::net::{Multicast, OffloadSettings};
use crate::sound::StreamSettings;

fn of(settings: ClassSettings) -> Checkpoint {
    let policy = [("probe", Protect::Always), ("interrupt", Protect::Suspicious)];
    Checkpoint {
        format: FORMAT,
        driver: "chip".to_owned(),
        chip: Chip { id: "10ec:8139".to_owned(), revision: 16 },
        settings,
        policy: policy.map(|(entry, mode)| (entry.to_owned(), mode)).into_iter().collect(),
    }
}

fn net() -> Checkpoint {
    of(ClassSettings::Net(NetSettings {
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        promiscuous: false,
        multicast: Multicast(u64::MAX),
        mtu: 1500,
        vlan: 0,
        interrupt_interval_us: 50,
        offloads: OffloadSettings { tx_checksum: true, rx_checksum: true, tso: false },
    }))
}

fn sound() -> Checkpoint {
    let stream = StreamSettings { bits: 16, channels: 2, rate: 44_100 };
    of(ClassSettings::Sound(SoundSettings {
        controls: [("Master Playback Volume".to_owned(), vec![31, 30])].into_iter().collect(),
        streams: [("DAC1".to_owned(), None), ("DAC2".to_owned(), Some(stream))].into_iter().collect(),
    }))
}

fn input() -> Checkpoint {
    of(ClassSettings::Input(InputSettings { rate: 100, resolution: 200, scaling: Scaling::Double }))
}

fn all() -> [Checkpoint; 3] {
    [net(), sound(), input()]
}

/// Why it is refused, which is one line of some length at most.
fn refused(text: &[u8]) -> String {
    let error = Checkpoint::parse(text).expect_err(&String::from_utf8_lossy(text)).to_string();
    assert!(error.len() < 500 && !error.contains(char::is_control), "{error}");
    error
}

#[test]
fn what_is_written_is_read() {
    for checkpoint in all() {
        let text = checkpoint.to_text();
        assert_eq!(Checkpoint::parse(text.as_bytes()), Ok(checkpoint.clone()), "{text}");
        assert!(changes(&checkpoint, &checkpoint).is_empty());
        assert_eq!(checkpoint.fields()[0], ("format".to_owned(), FORMAT.to_string()));
    }
}

#[test]
fn the_text_is_for_people_and_stays_as_it_is() {
    let expected = r#"{
  "format": 1,
  "driver": "chip",
  "chip": {
    "id": "10ec:8139",
    "revision": 16
  },
  "settings": {
    "net": {
      "mac": "02:00:00:00:00:01",
      "promiscuous": false,
      "multicast": "all",
      "mtu": 1500,
      "vlan": 0,
      "interrupt_interval_us": 50,
      "offloads": {
        "tx_checksum": true,
        "rx_checksum": true,
        "tso": false
      }
    }
  },
  "policy": {
    "probe": "always",
    "interrupt": "suspicious"
  }
}
"#;
    assert_eq!(net().to_text(), expected);
}

#[test]
fn what_is_changed_is_told_field_by_field() {
    let mut wanted = net();
    let ClassSettings::Net(settings) = &mut wanted.settings else { unreachable!("it is one") };
    (settings.mtu, settings.offloads.tso) = (9000, true);
    wanted.policy = [("interrupt".to_owned(), Protect::Never)].into_iter().collect();
    let found = changes(&net(), &wanted);
    let found: Vec<_> = found.iter().map(|c| (c.field.as_str(), c.from.as_str(), c.to.as_str())).collect();
    let expected = [
        ("settings.net.mtu", "1500", "9000"),
        ("settings.net.offloads.tso", "false", "true"),
        ("policy.interrupt", r#""suspicious""#, r#""never""#),
    ];
    assert_eq!(found, expected);
}

/// What a file says that must not be, and words of the error.
#[test]
fn what_is_not_understood_is_refused_and_named() {
    for (from, to, words) in [
        (r#""format": 1"#, r#""format": 2"#, &["format = 2", "reads 1"][..]),
        (r#""format": 1"#, r#""format": -1"#, &["-1", "u32"]),
        (r#""format": 1"#, r#""format": "1""#, &["u32", "line 2"]),
        (r#""format": 1,"#, "", &["format"]),
        (r#""format": 1,"#, r#""format": 1, "format": 1,"#, &["format", "duplicate"]),
        (r#""format": 1,"#, r#""format": 1, "colour": "red","#, &["colour", "line 2"]),
        (r#""driver": "chip","#, "", &["driver", "missing"]),
        (r#""driver": "chip""#, r#""driver": 7"#, &["string", "line 3"]),
        (r#""revision": 16"#, r#""revision": 256"#, &["256", "u8"]),
        (r#""revision": 16"#, r#""revision": 16, "serial": 1"#, &["serial"]),
        (r#""net""#, r#""disk""#, &["disk", "sound"]),
        (r#""net""#, r#""sound""#, &["mac", "line 10"]),
        (r#""mac": "02:00:00:00:00:01""#, r#""mac": "02:00""#, &["02:00", "six bytes"]),
        (r#""mac": "02:00:00:00:00:01""#, r#""mac": [2,0,0,0,0,1]"#, &["string"]),
        (r#""multicast": "all""#, r#""multicast": "most""#, &["most", "all, none"]),
        (r#""mtu": 1500"#, r#""mtu": 1500.5"#, &["1500.5"]),
        (r#""mtu": 1500"#, r#""mtu": 99999999999"#, &["99999999999"]),
        (r#""mtu": 1500"#, r#""mtu": null"#, &["null", "u32"]),
        (r#""vlan": 0"#, r#""vlan": 65536"#, &["65536"]),
        (r#""promiscuous": false"#, r#""promiscuous": 0"#, &["boolean"]),
        (r#""tso": false"#, r#""tso": false, "gro": true"#, &["gro"]),
        (r#""always""#, r#""mostly""#, &["mostly", "suspicious"]),
        (r#""interrupt":"#, r#""probe":"#, &["`probe` is there twice"]),
        (r#""tso": false"#, "\"tso\": false, \"a\\nb\\u001b[31m\": 1", &["a\\nb\\u{1b}[31m"]),
        ("\n}\n", "", &["EOF"]),
        ("\n}\n", "\n}\n{}", &["trailing"]),
    ] {
        let text = net().to_text();
        assert!(text.contains(from), "{from}");
        let error = refused(text.replacen(from, to, 1).as_bytes());
        assert!(words.iter().all(|word| error.contains(word)), "{to}: {error}");
    }
    let unknown = format!("\"{}\": 1, \"format\": 1", "x\\n".repeat(5000));
    assert!(refused(net().to_text().replacen("\"format\": 1", &unknown, 1).as_bytes()).contains("..."));
}

#[test]
fn what_is_no_checkpoint_at_all_is_refused() {
    assert!(refused(&vec![b' '; MAX_BYTES + 1]).contains("32768 bytes"));
    assert!(Checkpoint::parse(format!("{:MAX_BYTES$}", net().to_text()).as_bytes()).is_ok(), "as long as can be");
    for nothing in [&b""[..], b"null", b"[]", b"7", b"\xff\xfe", b"\0", b"PK\x03\x04", b"{", b"{}", b"format = 1"] {
        refused(nothing);
    }
    for deep in ["[", "{\"format\":", "{\"format\":1,\"policy\":{\"a\":["] {
        assert!(refused(deep.repeat(10_000).get(..MAX_BYTES).unwrap_or(&deep.repeat(1000)).as_bytes()).len() > 10);
    }
}

/// A value somewhere in it becomes another one, or goes, or a new one comes: it is read as something that can be
/// written, or refused in a line.
fn spoil(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(|value| spoil(value, at, with));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(serde_json::json!({"rate": 1})),
        Just(serde_json::json!([1, 2, 3])),
    ]
}

proptest! {
    #[test]
    fn pieces_are_refused(which in 0..3_usize, cut in any::<prop::sample::Index>()) {
        let text = all()[which].to_text();
        // without the end of its last line it is whole
        let cut = cut.index(text.len() - 1);
        refused(&text.as_bytes()[..cut]);
    }

    #[test]
    fn flipped_bits_never_panic(which in 0..3_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut text = all()[which].to_text().into_bytes();
        let at = at.index(text.len());
        text[at] ^= 1 << bit;
        match Checkpoint::parse(&text) {
            Ok(read) => prop_assert_eq!(Checkpoint::parse(read.to_text().as_bytes()), Ok(read)),
            Err(_) => drop(refused(&text)),
        }
    }

    #[test]
    fn other_values_are_taken_or_refused(which in 0..3_usize, at in 0..40_usize, with in any_value()) {
        let mut value: Value = serde_json::from_str(&all()[which].to_text()).expect("JSON");
        spoil(&mut value, &mut at.clone(), &with);
        let text = value.to_string();
        match Checkpoint::parse(text.as_bytes()) {
            Ok(read) => prop_assert_eq!(Checkpoint::parse(read.to_text().as_bytes()), Ok(read)),
            Err(_) => drop(refused(text.as_bytes())),
        }
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        refused(&bytes);
    }
}
