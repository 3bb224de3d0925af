//! Installing what is missing. Every Debian has it; a stripped one may not.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use super::error::{Doing, Error, Result};

/// Programs that the demo starts, and the packages that they are in.
const NEEDED: [(&str, &str); 2] = [("setpriv", "util-linux"), ("nice", "coreutils")];

/// Sees to it that every program is there. Says what it installs; root does it, or sudo.
pub(super) fn what_is_missing() -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let has = |program: &str| env::split_paths(&path).any(|folder: std::path::PathBuf| is_file(&folder.join(program)));
    let missing: Vec<&str> = NEEDED.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("demo: installing {} with apt-get", missing.join(", "));
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], &missing[..]].concat())
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let words: &[&str] = if nix::unistd::geteuid().is_root() { &["apt-get"] } else { &["sudo", "apt-get"] };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments);
    let text = format!("{} {}", words.join(" "), arguments.join(" "));
    // standard output is for the figures
    let output = command.stdin(Stdio::inherit()).stdout(Stdio::null()).status().doing(|| format!("start {text}"))?;
    if output.success() { Ok(()) } else { Err(Error::Wrong(format!("{text}: {output}"))) }
}
