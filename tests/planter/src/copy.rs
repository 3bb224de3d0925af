//! The copy of the workspace.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use quote::ToTokens;

use crate::registers::Registers;
use crate::site::Site;
use crate::visit::Planter;

/// What is no source: left out.
const LEFT_OUT: [&str; 2] = ["target", ".git"];
/// The list of places, in the copy alone.
const SITES: &str = "sites.json";
/// What is in the copy of a manifest of a driver besides.
const DEPENDENCY: &str = "[dependencies]\nudrv-planted.workspace = true";

/// Makes it, and gives the places that are in it.
///
/// # Errors
/// A file cannot be read or written, or is no Rust; with its name.
pub(crate) fn workspace(from: &Path, to: &Path) -> io::Result<Vec<Site>> {
    let mut sites = Vec::new();
    if to.is_dir() {
        prune(from, to)?;
    }
    for entry in sorted(from)? {
        let name = entry.file_name().unwrap_or_default();
        if LEFT_OUT.iter().any(|out| name == *out) {
            continue;
        }
        if name == "drivers" {
            for driver in sorted(&entry)? {
                drive(from, to, &driver, &mut sites)?;
            }
        } else {
            tree(&entry, &to.join(name))?;
        }
    }
    let text = serde_json::to_string_pretty(&sites)?;
    write(&to.join(SITES), text.as_bytes())?;
    Ok(sites)
}

/// Takes out of a copy what the workspace has no more: cargo finds tests and programs by their files.
fn prune(from: &Path, to: &Path) -> io::Result<()> {
    for entry in sorted(to)? {
        let name = entry.file_name().unwrap_or_default();
        if LEFT_OUT.iter().chain([&SITES]).any(|own| name == *own) {
            continue;
        }
        let original = from.join(name);
        match (entry.is_dir(), original.is_dir()) {
            (true, true) => prune(&original, &entry)?,
            (true, false) => fs::remove_dir_all(&entry).map_err(|error| at(&entry, &error))?,
            (false, _) if !original.is_file() => fs::remove_file(&entry).map_err(|error| at(&entry, &error))?,
            (false, _) => {}
        }
    }
    Ok(())
}

/// A driver, with places.
fn drive(root: &Path, to: &Path, driver: &Path, sites: &mut Vec<Site>) -> io::Result<()> {
    let place = to.join(driver.strip_prefix(root).unwrap_or(driver));
    let name = driver.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let map = read(&driver.join("src/regs.rs")).unwrap_or_default();
    let registers = Registers::read(&map);
    for entry in sorted(driver)? {
        let file = entry.file_name().unwrap_or_default();
        if file == "Cargo.toml" {
            let manifest = read(&entry)?;
            let changed = manifest.replacen("[dependencies]", DEPENDENCY, 1);
            if changed == manifest {
                return Err(io::Error::other(format!("{}: it has no [dependencies]", entry.display())));
            }
            write(&place.join(file), changed.as_bytes())?;
        } else if file == "src" {
            for source in sources(&entry)? {
                let relative = source.strip_prefix(root).unwrap_or(&source);
                let mut planter = Planter::new(&name, relative, &registers, std::mem::take(sites));
                let planted = plant(&source, &mut planter)?;
                *sites = planter.into_sites();
                write(&to.join(relative), planted.as_bytes())?;
            }
        } else {
            tree(&entry, &place.join(file))?;
        }
    }
    Ok(())
}

/// The source of a file, with places.
fn plant(source: &Path, planter: &mut Planter<'_>) -> io::Result<String> {
    let text = read(source)?;
    let mut file = syn::parse_file(&text).map_err(|error| {
        let place = error.span().start();
        io::Error::other(format!("{}:{}: {error}", source.display(), place.line))
    })?;
    planter.file(&mut file);
    Ok(file.to_token_stream().to_string())
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in sorted(folder)? {
        if entry.is_dir() {
            found.extend(sources(&entry)?);
        } else if entry.extension() == Some(OsStr::new("rs")) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn tree(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return write(to, &fs::read(from).map_err(|error| at(from, &error))?);
    }
    for entry in sorted(from)? {
        let name = entry.file_name().unwrap_or_default();
        if LEFT_OUT.iter().all(|out| name != *out) {
            tree(&entry, &to.join(name))?;
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = entries.map_err(|error: io::Error| at(folder, &error))?;
    entries.sort();
    Ok(entries)
}

fn read(file: &Path) -> io::Result<String> {
    fs::read_to_string(file).map_err(|error| at(file, &error))
}

/// What is the same already keeps its time, so that cargo builds nothing anew for it.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    }
    fs::write(file, bytes).map_err(|error| at(file, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_the_workspace_has_and_what_is_the_same_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("from/target/to"));
        let put = |file: &str, text: &str| write(&from.join(file), text.as_bytes()).unwrap();
        put("Cargo.toml", "[workspace]");
        put("tests/a.rs", "fn a() {}");
        put("tests/old/b.rs", "fn b() {}");
        put("drivers/x/Cargo.toml", "[dependencies]\nudrv-driver.workspace = true");
        put("drivers/x/src/lib.rs", "#![forbid(unsafe_code)] fn f() {}");
        assert_eq!(workspace(&from, &to).unwrap().len(), 1);
        assert!(read(&to.join("drivers/x/src/lib.rs")).unwrap().contains("udrv_planted"));
        assert!(read(&to.join("drivers/x/Cargo.toml")).unwrap().contains("udrv-planted"));
        let time = |file: &str| fs::metadata(to.join(file)).unwrap().modified().unwrap();
        let before = time("drivers/x/src/lib.rs");

        put("drivers/x/src/more.rs", "fn g() {}");
        fs::remove_dir_all(from.join("tests/old")).unwrap();
        fs::remove_file(from.join("tests/a.rs")).unwrap();
        fs::create_dir_all(to.join("target/debug")).unwrap();
        assert_eq!(workspace(&from, &to).unwrap().len(), 2);
        assert!(!to.join("tests/old").exists() && !to.join("tests/a.rs").exists());
        assert!(to.join("target/debug").is_dir(), "what cargo has built stays");
        assert_eq!(time("drivers/x/src/lib.rs"), before);
    }

    #[test]
    fn what_is_no_driver_is_said_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| write(&folder.path().join(file), text.as_bytes()).unwrap();
        let why = || workspace(folder.path(), &folder.path().join("target/to")).unwrap_err().to_string();
        put("drivers/x/src/lib.rs", "fn f( {");
        put("drivers/x/Cargo.toml", "[package]");
        assert!(why().contains("drivers/x/Cargo.toml: it has no [dependencies]"), "{}", why());
        put("drivers/x/Cargo.toml", "[dependencies]");
        assert!(why().contains("drivers/x/src/lib.rs:1: "), "{}", why());
    }
}
