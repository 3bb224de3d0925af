//! Looking at a device that runs: registers, policy, a trace of register accesses.

use serde_json::Value;

use crate::daemon::{Daemon, Directory, told, udrvctl, wait_until};

fn json(directory: &Directory, arguments: &[&str]) -> Value {
    serde_json::from_str(&told(directory, &[&["--json"][..], arguments].concat())).expect("JSON")
}

/// What the framework knows of a register is what is in it, and looking changes nothing.
#[test]
fn registers_are_shown_as_known_and_as_they_are() {
    for arguments in [
        &["model:rtl8139", "--no-far-host", "--endpoint", "socket"][..],
        &["model:e1000", "--no-far-host", "--endpoint", "socket"],
        &["model:r8169", "--no-far-host", "--endpoint", "socket"],
        &["model:pegasus", "--no-far-host", "--endpoint", "socket"],
        &["model:ens1371", "--no-sound"],
    ] {
        let directory = Directory::new();
        let daemon = Daemon::start_with(&directory, arguments, &[]);
        let known = json(&directory, &["regs"]);
        let live = json(&directory, &["regs", "--live"]);
        let (known, live) =
            (known["registers"].as_array().expect("a list"), live["registers"].as_array().expect("a list"));
        assert_eq!(known.len(), live.len());
        let (mut compared, mut read) = (0, 0);
        for (known, live) in known.iter().zip(live) {
            assert!(known["live"].is_null(), "nobody asked: {known}");
            let kind = live["kind"].as_str().expect("a kind");
            let unread = ["read-clears", "write-only"].contains(&kind);
            assert!(live["live"].is_null() || !unread, "{arguments:?}: {live}");
            read += usize::from(!live["live"].is_null());
            if ["config", "dma-address"].contains(&kind) && !live["shadow"].is_null() && !live["live"].is_null() {
                assert_eq!(live["live"], live["shadow"], "{arguments:?}: {live}");
                compared += 1;
            }
        }
        assert!(read * 2 > live.len(), "{arguments:?}: {read} registers of {} read", live.len());
        assert!(compared > 3 || arguments[0] == "model:ens1371", "{arguments:?}: {compared} registers compared");
        let status = &json(&directory, &["status"])["status"];
        assert_eq!((&status["faults"], &status["restores"]), (&0.into(), &0.into()), "{status}");
        drop(daemon);
    }
}

#[test]
fn the_policy_is_shown_and_set() {
    let directory = Directory::new();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket", "--protect", "never,poll=always"]);
    let shown = told(&directory, &["policy", "get"]);
    let line = |shown: &str, entry: &str| {
        shown.lines().find(|line| line.starts_with(entry)).unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    assert!(line(&shown, "poll ").ends_with("are transactions"), "{shown}");
    assert!(line(&shown, "transmit").ends_with("are not protected"), "{shown}");
    told(&directory, &["policy", "set", "model:rtl8139", "suspicious", "transmit"]);
    told(&directory, &["policy", "set", "model:rtl8139", "always", "link"]);
    let policy = json(&directory, &["policy", "get"]);
    let transmit = policy["entries"].as_array().expect("a list").iter().find(|entry| entry[0] == "transmit");
    assert_eq!(transmit.expect("it is there")[1]["protect"], "suspicious");
    assert!(line(&told(&directory, &["policy", "get"]), "link").ends_with("are transactions"));
    let output = udrvctl(&directory, &["policy", "set", "model:rtl8139", "mostly"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("suspicious"));
}

/// A packet of the trace.
#[derive(Debug)]
struct Packet {
    write: bool,
    undo: bool,
    value: u32,
    transaction: u64,
    entry: String,
    register: String,
}

/// Reads it as docs/udrvd.md says.
fn packets(bytes: &[u8]) -> Vec<Packet> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((word(0), word(20)), (0xa1b2_3c4d, 147));
    let (mut at, mut packets, mut last) = (24, Vec::new(), (0, 0));
    while at < bytes.len() {
        let time = (word(at), word(at + 4));
        assert!(time >= last && time.1 < 1_000_000_000, "times go on");
        last = time;
        let length = word(at + 8) as usize;
        assert_eq!(word(at + 12) as usize, length);
        let body = &bytes[at + 16..at + 16 + length];
        let name = |at: usize| {
            let length = usize::from(body[at]);
            (String::from_utf8(body[at + 1..at + 1 + length].to_vec()).expect("a name"), at + 1 + length)
        };
        let (entry, next) = name(20);
        let (register, end) = name(next);
        assert_eq!((body[0], end), (1, length));
        packets.push(Packet {
            write: body[1] & 1 != 0,
            undo: body[1] & 4 != 0,
            value: u32::from_le_bytes(body[8..12].try_into().expect("four bytes")),
            transaction: u64::from_le_bytes(body[12..20].try_into().expect("eight bytes")),
            entry,
            register,
        });
        at += 16 + length;
    }
    packets
}

#[test]
fn a_trace_has_each_access_of_a_call_and_what_puts_it_back() {
    let directory = Directory::new();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    assert_eq!(told(&directory, &["trace", "status"]).trim(), "no trace");
    let file = directory.0.join("trace.pcap");
    let name = file.to_str().expect("a plain name");
    told(&directory, &["trace", "start", "model:rtl8139", name]);
    let again = udrvctl(&directory, &["trace", "start", "model:rtl8139", &format!("{name}2")]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("already"));
    let registers = |directory: &Directory| json(directory, &["status"])["status"]["register_accesses"].clone();
    let before = registers(&directory);
    told(&directory, &["inject", "model:rtl8139", "set_rx_mode", "null-write", "--at", "end"]);
    told(&directory, &["call", "model:rtl8139", "set_rx_mode"]);
    let after = registers(&directory);
    let ended = told(&directory, &["trace", "stop"]);
    assert!(ended.contains("ended") && !ended.contains("dropped"), "{ended}");

    let fault = &json(&directory, &["faults"])["faults"][0];
    let packets = packets(&std::fs::read(&file).expect("the file"));
    let of_fault: Vec<&Packet> = packets.iter().filter(|p| fault["transaction"] == p.transaction).collect();
    assert!(of_fault.iter().all(|p| p.entry == "set_rx_mode"), "{of_fault:?}");
    let written: Vec<&&Packet> = of_fault.iter().filter(|p| p.write && !p.undo).collect();
    assert_eq!(fault["journal"].as_array().map(Vec::len), Some(written.len()), "{of_fault:?}");
    let undone: Vec<&&Packet> = of_fault.iter().filter(|p| p.undo).collect();
    assert!(!undone.is_empty() && undone.iter().all(|p| p.write), "{of_fault:?}");
    // last first, and to what was there
    assert_eq!(undone[0].register, written.iter().rfind(|p| p.register == undone[0].register).expect("it").register);
    assert!(undone.iter().any(|p| p.value != 0));
    // nothing is missing: reads and writes as the status counts them
    let count = |status: &Value, way: usize| status[way].as_u64().expect("a number");
    for (way, write) in [(0, false), (1, true)] {
        let counted = count(&after, way) - count(&before, way);
        let traced = packets.iter().filter(|p| p.write == write).count() as u64;
        assert!(traced >= counted, "{traced} traced, {counted} counted");
    }
}

/// Also what is done to stop the device.
#[test]
fn a_trace_is_whole_when_the_daemon_ends() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let file = directory.0.join("trace.pcap");
    told(&directory, &["trace", "start", "model:rtl8139", file.to_str().expect("a plain name")]);
    assert_eq!(daemon.end(nix::sys::signal::Signal::SIGTERM).code(), Some(0));
    let packets = packets(&std::fs::read(&file).expect("the file"));
    assert!(packets.iter().any(|p| p.entry == "quiesce" && p.write), "{packets:?}");
}

#[test]
fn a_trace_ends_when_its_file_is_full() {
    let directory = Directory::new();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let file = directory.0.join("trace.pcap");
    told(&directory, &["trace", "start", "model:rtl8139", file.to_str().expect("a plain name"), "--limit", "1"]);
    wait_until("it is full", || {
        told(&directory, &["call", "model:rtl8139", "probe"]);
        told(&directory, &["trace", "status"]).contains("it has its 1048576 bytes")
    });
    let length = std::fs::metadata(&file).expect("the file").len();
    assert!(((1 << 20) - 100..=1 << 20).contains(&length), "{length}");
    let status = json(&directory, &["trace", "stop"]);
    assert_eq!((&status["trace"]["bytes"], &status["trace"]["running"]), (&length.into(), &false.into()));
    packets(&std::fs::read(&file).expect("the file"));
}
