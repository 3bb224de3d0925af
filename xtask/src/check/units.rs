//! What is in systemd/, as systemd itself reads it: nothing to complain about, and how much the service is exposed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    guest::workspace,
    steps::{Done, Failure},
};

/// The unit.
const UNIT: &str = "udrvd@.service";
/// What systemd starts when that has failed: as root, for a moment.
const HAND_BACK: &str = "udrvd-hand-back@.service";
/// What it wants before it.
const MODULES: &str = "udrvd-modules.service";
/// The programs that they start, which need not be installed here.
const PROGRAMS: [&str; 5] =
    ["/usr/lib/udrv/prepare", "/usr/bin/udrvctl", "/usr/bin/udrvd", "/bin/kill", "/sbin/modprobe"];
/// What is there on every machine instead of them.
const ANY_PROGRAM: &str = "/bin/true";
/// Shell scripts that come with the unit.
const SCRIPTS: [&str; 5] = ["configured", "prepare", "debian/postinst", "debian/prerm", "debian/postrm"];
/// The most exposure, in tenths of what `systemd-analyze security` tells: it goes from 0 to 10.
const MOST_EXPOSURE: &str = "30";

/// Has systemd-analyze read the unit, and the shell the scripts.
pub(super) fn check() -> Result<Done, Failure> {
    let folder = workspace().join("systemd");
    for script in SCRIPTS {
        run(Command::new("sh").arg("-n").arg(folder.join(script)))?;
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return Ok(Done::Skipped("there is no systemd-analyze here (package systemd)".to_owned()));
    }
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|source| Failure::Io { doing: format!("read {}", path.display()), source })
    };
    let copies = tempfile::tempdir().map_err(|source| Failure::Io { doing: "make a folder".to_owned(), source })?;
    for name in [MODULES, HAND_BACK] {
        silent(copies.path(), name, &read(name)?)?;
    }
    let exposure = verify(copies.path(), &read(UNIT)?)?;
    println!("systemd-analyze says nothing about {UNIT}, {MODULES} and {HAND_BACK}: {exposure}");
    Ok(Done::Passed)
}

/// The copy of a unit that systemd-analyze has nothing to say about.
fn silent(copies: &Path, name: &str, unit: &str) -> Result<PathBuf, Failure> {
    let copy = copies.join(name);
    let text = PROGRAMS.iter().fold(unit.to_owned(), |text, program| text.replace(program, ANY_PROGRAM));
    fs::write(&copy, text).map_err(|source| Failure::Io { doing: format!("write {}", copy.display()), source })?;
    // it succeeds with keys that it does not know: what it says is what counts
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy))?;
    if !said.trim().is_empty() {
        return Err(Failure::Output(format!("systemd-analyze verify says:\n{}", said.trim_end())));
    }
    Ok(copy)
}

/// What is told of the unit's exposure, if it is not too much and there is nothing else to tell.
fn verify(copies: &Path, unit: &str) -> Result<String, Failure> {
    let copy = silent(copies, UNIT, unit)?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=yes", "--no-pager", "--threshold", MOST_EXPOSURE]);
    let table = run(security.arg(&copy))?;
    let verdict = table.lines().find_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "));
    let exposure = verdict.and_then(|(_, figure)| figure.split(' ').next());
    let exposure = exposure.ok_or_else(|| Failure::Output(format!("systemd-analyze security says: {table}")))?;
    Ok(format!("exposure {exposure} of 10"))
}

/// All that a program writes, if it succeeds.
fn run(command: &mut Command) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let text = format!("{name} {}", words.join(" "));
    let output = command.output().map_err(|source| Failure::Io { doing: format!("start {text}"), source })?;
    let Output { status, stdout, stderr } = output;
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.success() { Ok(said) } else { Err(Failure::Output(format!("{text}: {status}\n{said}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit that has nothing wrong with it, and little to be exposed by.
    const GOOD: &str = "[Service]\nExecStart=/usr/bin/udrvd\nDynamicUser=yes\nCapabilityBoundingSet=\nPrivateNetwork=yes\n\
                        PrivateDevices=yes\nProtectSystem=strict\nProtectHome=yes\nSystemCallFilter=@basic-io\n\
                        RestrictAddressFamilies=none\nProtectKernelTunables=yes\nRestrictNamespaces=yes\n";

    fn verified(unit: &str) -> Option<Result<String, Failure>> {
        let is_there = Command::new("systemd-analyze").arg("--version").output().is_ok();
        is_there.then(|| verify(tempfile::tempdir().unwrap().path(), unit))
    }

    #[test]
    fn a_unit_is_good_or_it_is_not() {
        let Some(good) = verified(GOOD) else {
            println!("skipped: there is no systemd-analyze here");
            return;
        };
        assert!(good.unwrap().starts_with("exposure "));
        for wrong in ["Nonsense=yes\n", "Restart=sometimes\n", "ExecStartPre=/no/such/program\n"] {
            assert!(verified(&format!("{GOOD}{wrong}")).unwrap().is_err(), "{wrong}");
        }
        let exposed = verified("[Service]\nExecStart=/usr/bin/udrvd\n").unwrap();
        assert!(exposed.is_err(), "{exposed:?}");
    }
}
