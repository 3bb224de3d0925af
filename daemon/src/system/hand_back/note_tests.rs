//! Notes: as udrvd writes them, and as anybody else could.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::super::tests::{DEVICE, carried};
use super::*;

#[test]
fn a_note_comes_back_as_it_was_and_goes_when_it_is_told_to() {
    let runtime = tempfile::tempdir().unwrap();
    for device in [DEVICE, "vfio-user:/run/card.sock"] {
        let note = Note::new(device, "poll: null access\nand more", Some(carried("udrv0")));
        note.write(runtime.path()).unwrap();
        note.write(runtime.path()).unwrap(); // over an older one
        assert_eq!(Note::read(runtime.path(), device).unwrap(), note);
        let mode = fs::metadata(Note::path(runtime.path(), device)).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, note.reason.contains('\n')), (0o600, false));
        Note::remove(runtime.path(), device).unwrap();
        Note::remove(runtime.path(), device).unwrap();
        assert!(matches!(Note::read(runtime.path(), device), Err(NoteError::None(_))));
    }
    assert_eq!(fs::read_dir(runtime.path()).unwrap().count(), 0);
    assert!(matches!(Note::read(Path::new("/no/such"), DEVICE), Err(NoteError::None(_))));
}

#[test]
fn a_note_that_somebody_else_may_have_written_is_not_taken() {
    let runtime = tempfile::tempdir().unwrap();
    let path = Note::path(runtime.path(), DEVICE);
    let read = || Note::read(runtime.path(), DEVICE).unwrap_err();
    let note = Note::new(DEVICE, "why", None);
    // a link, to a file that root can read
    let secret = runtime.path().join("secret");
    fs::write(&secret, "root:secret").unwrap();
    symlink(&secret, &path).unwrap();
    let error = read();
    assert!(matches!(&error, NoteError::Foreign { why, .. } if why.contains("link")), "{error}");
    assert!(!error.to_string().contains("root:secret"));
    // the name of a file that has another
    fs::remove_file(&path).unwrap();
    fs::hard_link(&secret, &path).unwrap();
    assert!(matches!(read(), NoteError::Foreign { .. }));
    // a pipe would be waited for, a folder is none
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(read(), NoteError::Foreign { .. }));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(read(), NoteError::Foreign { .. }));
    fs::remove_dir(&path).unwrap();
    // in a directory of everybody's
    note.write(runtime.path()).unwrap();
    fs::set_permissions(runtime.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(read(), NoteError::Foreign { .. }));
    fs::set_permissions(runtime.path(), Permissions::from_mode(0o755)).unwrap();
    Note::read(runtime.path(), DEVICE).unwrap();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give a file away");
        return;
    }
    nix::unistd::chown(&path, Some(65_534.into()), None).unwrap();
    assert!(matches!(read(), NoteError::Foreign { why, .. } if why.contains("belongs")));
}

#[test]
fn a_note_that_makes_no_sense_is_refused_in_one_line() {
    let runtime = tempfile::tempdir().unwrap();
    let path = Note::path(runtime.path(), DEVICE);
    Note::new(DEVICE, "why", Some(carried("udrv0"))).write(runtime.path()).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        (DEVICE, "pci:0000:00:05.0"),
        ("\"udrv0\"", "\"../../etc/shadow\""),
        ("\"why\"", "\"\\u001b[2J\""),
        ("10.1.0.1", "127.0.0.1"),
        ("10.1.0.1", "localhost"),
        ("\"prefix\":24", "\"prefix\":99"),
        ("\"mtu\":1400", "\"mtu\":-1"),
        ("\"table\":254", "\"table\":255"),
        ("\"version\":1", "\"version\":1,\"run\":\"/bin/sh\""),
        ("{", ""),
        ("}", "\n\u{0}"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        fs::write(&path, bad).unwrap();
        let error = Note::read(runtime.path(), DEVICE).expect_err(to);
        assert!(matches!(error, NoteError::Nonsense { .. }), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    fs::write(&path, " ".repeat(4 << 20)).unwrap();
    assert!(Note::read(runtime.path(), DEVICE).unwrap_err().to_string().contains("too long"));
}

proptest::proptest! {
    /// Whatever is in the file, it is read or refused.
    #[test]
    fn any_note_is_read_or_refused(cut in 0_usize..900, byte: u8, at in 0_usize..900) {
        let runtime = tempfile::tempdir().unwrap();
        Note::new(DEVICE, "why", Some(carried("udrv0"))).write(runtime.path()).unwrap();
        let path = Note::path(runtime.path(), DEVICE);
        let mut bytes = fs::read(&path).unwrap();
        if let Some(there) = bytes.get_mut(at) {
            *there = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        fs::write(&path, &bytes).unwrap();
        if let Ok(Note { network: Some(network), .. }) = Note::read(runtime.path(), DEVICE) {
            proptest::prop_assert!(network.check().is_ok());
        }
    }
}
