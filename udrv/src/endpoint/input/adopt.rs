//! A device node that outlives the process which made it: the next one takes it over, and applications notice nothing.
//!
//! The device is there for as long as somebody has the descriptor that made it open. A process hands it to who keeps such things
//! ([`super::InputEndpoint::to_keep`]), the service manager for one, and its successor finds it among what it was started with
//! ([`taken_over`]). It is taken as it is only if it is what would be made anew.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::Path;

use super::sys;
use super::uinput::Shape;

/// The name of such a descriptor in `LISTEN_FDNAMES`.
pub const KEPT: &str = "uinput";
/// The first descriptor of those that a service manager hands on (`sd_listen_fds(3)`).
const FIRST: RawFd = 3;

/// The descriptor of a device node that the service manager has kept for this process; once. `None`: there is none.
#[must_use]
pub fn taken_over() -> Option<OwnedFd> {
    let variable = |name: &str| env::var(name).ok();
    let number = listed(
        std::process::id(),
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
    )?;
    sys::take(number).unwrap_or_else(|error| {
        tracing::warn!(%error, "the device node that was kept cannot be had");
        None
    })
}

/// Its number, from the variables of `sd_listen_fds_with_names(3)`.
fn listed(own: u32, pid: Option<&str>, count: Option<&str>, names: Option<&str>) -> Option<RawFd> {
    if pid?.parse() != Ok(own) {
        return None; // they are for another process, our parent
    }
    let count: usize = count?.parse().ok()?;
    let at = names?.split(':').take(count).position(|name| name == KEPT)?;
    RawFd::try_from(at).ok()?.checked_add(FIRST)
}

/// The system's name of the device behind `kept` (`input12`), if it is what would be made anew.
///
/// # Errors
/// Why it is not, in words.
pub(super) fn look(kept: &OwnedFd, wanted: &Shape, sysfs: &Path) -> Result<String, String> {
    let name = sys::sysname(kept.as_fd()).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTTY) => "it is not of /dev/uinput".to_owned(),
        Some(libc::ENOENT) => "it has made no device".to_owned(),
        _ => format!("its device has no name: {error}"),
    })?;
    compare(&sysfs.join(&name), wanted)?;
    Ok(name)
}

/// Whether the device in this folder of sysfs is what is wanted.
fn compare(folder: &Path, wanted: &Shape) -> Result<(), String> {
    let read = |file: &str| {
        let text = fs::read_to_string(folder.join(file));
        text.map(|text| text.trim().to_owned()).map_err(|error| format!("{}: {error}", folder.join(file).display()))
    };
    for (what, file, expected) in [("name", "name", &wanted.name), ("place", "phys", &wanted.phys)] {
        let found = read(file)?;
        if found != *expected {
            return Err(format!("its {what} is '{found}', and not '{expected}'"));
        }
    }
    for (what, file, expected) in [
        ("buttons", "capabilities/key", wanted.keys()),
        ("axes", "capabilities/rel", wanted.axes()),
        ("properties", "properties", wanted.properties()),
    ] {
        let text = read(file)?;
        if bits(&text).as_ref() != Some(&expected) {
            return Err(format!("its {what} are others: {text}"));
        }
    }
    Ok(())
}

/// Numbers of the bits that are set, from the kernel's way to write them: words in hexadecimal, the last one has bit 0.
fn bits(text: &str) -> Option<BTreeSet<u16>> {
    let mut all = BTreeSet::new();
    for (number, word) in text.split_whitespace().rev().enumerate() {
        let word = usize::from_str_radix(word, 16).ok()?;
        let first = number * usize::BITS as usize;
        all.extend((0..usize::BITS as usize).filter(|bit| word >> bit & 1 != 0).map(|bit| (first + bit) as u16));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use udrv_driver::{Buttons, InputInfo};

    use super::super::Pointer;
    use super::*;

    #[test]
    fn of_what_a_service_manager_hands_on_it_is_the_one_with_the_name() {
        let listed = |pid, count, names| listed(7, pid, count, names);
        assert_eq!(listed(Some("7"), Some("3"), Some("vfio:uinput:dma")), Some(4));
        assert_eq!(listed(Some("7"), Some("1"), Some("uinput")), Some(3));
        assert_eq!(listed(Some("8"), Some("1"), Some("uinput")), None, "for another process");
        assert_eq!(listed(Some("7"), Some("1"), Some("vfio:uinput")), None, "beyond the count");
        assert_eq!(listed(Some("7"), Some("2"), None), None);
        assert_eq!(listed(Some("7"), Some("many"), Some("uinput")), None);
        assert_eq!(listed(None, Some("1"), Some("uinput")), None);
    }

    #[test]
    fn words_of_bits_are_read_as_the_kernel_writes_them() {
        let bits = |text| bits(text).map(|all| all.into_iter().collect::<Vec<_>>());
        assert_eq!(bits("903"), Some(vec![0, 1, 8, 11]));
        // BTN_LEFT to BTN_EXTRA
        assert_eq!(bits("1f0000 0 0 0 0"), Some((0x110..=0x114).collect()));
        assert_eq!(bits("0"), Some(vec![]));
        assert_eq!(bits("x"), None);
    }

    fn wanted() -> Shape {
        let info = InputInfo {
            name: "mouse",
            protocol: "ImPS/2",
            buttons: Buttons::LEFT | Buttons::RIGHT | Buttons::MIDDLE,
            wheel: true,
            pan: false,
            rate: 100,
            resolution: 200,
            double: false,
            enabled: true,
        };
        Shape::of(None, &Pointer { driver: "test", device: "serio:serio1", info })
    }

    #[test]
    fn a_device_is_taken_over_only_if_it_is_what_would_be_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = directory.path();
        fs::create_dir(folder.join("capabilities")).expect("a directory");
        let right = [
            ("name", "ImPS/2 mouse\n"),
            ("phys", "udrv/serio:serio1/input0\n"),
            ("capabilities/key", "70000 0 0 0 0\n"),
            ("capabilities/rel", "903\n"),
            ("properties", "1\n"),
        ];
        let write = |file: &str, text: &str| fs::write(folder.join(file), text).expect("a file");
        right.iter().for_each(|(file, text)| write(file, text));
        assert_eq!(compare(folder, &wanted()), Ok(()));
        for (file, text, why) in [
            ("name", "another", "its name is 'another', and not 'ImPS/2 mouse'"),
            ("phys", "udrv/serio:serio2/input0", "its place is"),
            ("capabilities/key", "1f0000 0 0 0 0", "its buttons are others"),
            ("capabilities/rel", "3", "its axes are others"),
            ("properties", "0", "its properties are others"),
        ] {
            write(file, text);
            let told = compare(folder, &wanted()).expect_err(file);
            assert!(told.starts_with(why), "{told}");
            let before = right.iter().find(|(right, _)| *right == file).expect("it is one of them").1;
            write(file, before);
        }
        fs::remove_file(folder.join("phys")).expect("it is there");
        assert!(compare(folder, &wanted()).expect_err("it is gone").contains("phys"));
    }

    #[test]
    fn what_is_no_device_of_uinput_is_refused() {
        for path in ["/dev/null", "/dev/zero", "/proc/self/exe"] {
            let kept = OwnedFd::from(File::open(path).expect(path));
            let told = look(&kept, &wanted(), Path::new("/sys/devices/virtual/input"));
            assert_eq!(told, Err("it is not of /dev/uinput".to_owned()), "{path}");
        }
    }
}
