//! The fields that the journal gets, where standard error is the journal.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Directory, PATIENCE, told};

/// udrvd in a mount namespace in which the journal's socket is `directory`/journal/socket.
fn in_namespace(directory: &Path) -> Command {
    let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind \"$1\" /run/systemd/journal && \
                  export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && exec \"$2\" run model:rtl8139 --no-far-host \
                  --endpoint socket";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-ec", script, "sh"]);
    command.arg(directory.join("journal")).arg(env!("CARGO_BIN_EXE_udrvd"));
    command.env("UDRV_RUNTIME_DIR", directory).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn a_fault_has_its_device_entry_transaction_and_outcome() {
    let directory = Directory::new();
    let can =
        Command::new("unshare").args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/run"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: no mount namespace can be made here");
        return;
    }
    std::fs::create_dir(directory.0.join("journal")).expect("a directory");
    let journal = UnixDatagram::bind(directory.0.join("journal/socket")).expect("a socket");
    journal.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let entry_with = |word: &str| loop {
        let mut bytes = vec![0; 64 << 10];
        let length = journal.recv(&mut bytes).expect("an entry of the journal");
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.contains(word) {
            return text;
        }
    };
    let daemon = Daemon::of(in_namespace(&directory.0));
    entry_with("running");
    told(&directory, &["inject", "model:rtl8139", "link", "null-write"]);
    told(&directory, &["call", "model:rtl8139", "link"]);
    let entry = entry_with("UDRV_TRANSACTION");
    // a value is told with its length, for it may have lines
    let fields = [
        "UDRV_DEVICE",
        "model:rtl8139",
        "UDRV_ENTRY",
        "link",
        "UDRV_OUTCOME",
        "recovered",
        "PRIORITY\n\u{1}\0\0\0\0\0\0\0\u{34}\n",
        "MESSAGE",
    ];
    for field in fields {
        assert!(entry.contains(field), "{field} is not in {entry:?}");
    }
    assert!(daemon.log().is_empty(), "said once: {}", daemon.log());
}
