//! `cargo xtask deb`: a Debian package of the programs, their units, rules and documents.
//!
//! What goes where is in daemon/Cargo.toml, which cargo-deb reads. That is fetched and built once, into target/tools.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{
    cargo::{TOGETHER, cargo, output_of, release_programs},
    guest::workspace,
    steps::{Failure, program},
};

/// The version of cargo-deb.
const CARGO_DEB: &str = "3.8.0";

/// Of the C library that the package says it needs: Debian 12's.
const GLIBC: (u32, u32) = (2, 36);

/// The arguments of `cargo xtask deb`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Builds the package and says where it is.
pub(crate) fn main(_args: &Args) -> ExitCode {
    match build(Packed::Small) {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("deb: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// How a package is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    /// To be given away: that takes a minute of a processor.
    Small,
    /// To be installed here and now.
    Fast,
}

/// Builds the package; its path.
///
/// # Errors
/// If cargo-deb cannot be had, something does not build, or a program needs a newer C library than the package says.
pub(crate) fn build(packed: Packed) -> Result<PathBuf, Failure> {
    let tool = cargo_deb()?;
    let programs = release_programs(&TOGETHER, &["udrvd", "udrvctl"])?;
    for path in &programs {
        let bytes = fs::read(path).map_err(io(|| format!("read {}", path.display())))?;
        let needed = glibc_of(&bytes);
        if needed > GLIBC {
            let (major, minor) = needed;
            return Err(Failure::Output(format!(
                "{} was built on a system whose C library is newer than Debian 12's: it needs {major}.{minor}, and the package says \
                 {}.{}. Build the package on Debian 12",
                path.display(),
                GLIBC.0,
                GLIBC.1
            )));
        }
    }
    let folder = workspace().join("target/deb");
    write_manual(&programs[1], &folder)?;
    let package = folder.join("udrv.deb");
    let mut command = Command::new(tool);
    // reports name functions and lines, which strip would take from them
    command.args(["--package", "udrv-daemon", "--no-build", "--no-strip", "--quiet", "--output"]).arg(&package);
    if packed == Packed::Fast {
        command.arg("--fast");
    }
    command.current_dir(workspace());
    program(&mut command)?;
    Ok(package)
}

/// Has udrvctl write its manual and completions below `folder`, where daemon/Cargo.toml looks for them.
fn write_manual(udrvctl: &Path, folder: &Path) -> Result<(), Failure> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for empty in [&man, &completions] {
        if empty.exists() {
            fs::remove_dir_all(empty).map_err(io(|| format!("empty {}", empty.display())))?;
        }
        fs::create_dir_all(empty).map_err(io(|| format!("create {}", empty.display())))?;
    }
    program(Command::new(udrvctl).arg("man").arg(&man))?;
    for shell in ["bash", "zsh", "fish"] {
        let script = output_of(Command::new(udrvctl).args(["completions", shell]))?;
        let path = completions.join(shell);
        fs::write(&path, script).map_err(io(|| format!("write {}", path.display())))?;
    }
    Ok(())
}

/// The program cargo-deb, which is built if it is not there.
fn cargo_deb() -> Result<PathBuf, Failure> {
    let tools = workspace().join("target/tools");
    let root = tools.join(format!("cargo-deb-{CARGO_DEB}"));
    let path = root.join("bin/cargo-deb");
    if !path.is_file() {
        let version = format!("cargo-deb@{CARGO_DEB}");
        let mut install = cargo(["install", &version, "--locked", "--quiet", "--no-default-features"]);
        install.args(["--features", "static-lzma", "--root"]).arg(&root);
        let work = tools.join("build");
        program(install.arg("--target-dir").arg(&work))?;
        fs::remove_dir_all(&work).map_err(io(|| format!("remove {}", work.display())))?;
    }
    Ok(path)
}

fn io(doing: impl FnOnce() -> String) -> impl FnOnce(std::io::Error) -> Failure {
    |source| Failure::Io { doing: doing(), source }
}

/// The newest version of the C library whose symbols a program names, as `GLIBC_2.34` in its table of strings.
fn glibc_of(program: &[u8]) -> (u32, u32) {
    const PREFIX: &[u8] = b"GLIBC_";
    let starts = program.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    let versions = starts.filter_map(|(at, _)| {
        let text = &program[at + PREFIX.len()..];
        let text = &text[..text.iter().position(|byte| *byte == 0)?.min(8)];
        let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    versions.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found() {
        let strings = b"\0GLIBC_2.2.5\0libc.so.6\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0GLIBC_2.";
        assert_eq!(glibc_of(strings), (2, 34));
        assert_eq!(glibc_of(b"static"), (0, 0));
    }
}
