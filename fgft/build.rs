//! Finds the symbol through which every panic of this toolchain passes.
//!
//! core calls the panic handler of std by a mangled name that changes with the toolchain. Linking with
//! `--wrap` of that name sends panics through `src/panic.rs` first, which keeps message and location of a
//! panic inside a transaction. The name is handed to this crate (to define the wrapper) and, as
//! `DEP_FGFT_WRAP`, to the build scripts of executables, which pass `-Wl,--wrap=NAME` to the linker.
//! An executable that does not do so still contains panics, without their message.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const TAIL: &[u8] = b"7___rustc17rust_begin_unwind";
const HEAD: &[u8] = b"_RNvCs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(fgft_wrap)");
    match find() {
        Some(name) => {
            println!("cargo::metadata=WRAP={name}");
            println!("cargo::rustc-env=FGFT_WRAP={name}");
            println!("cargo::rustc-cfg=fgft_wrap");
            println!("cargo::rustc-link-arg=-Wl,--wrap={name}");
        }
        None => println!(
            "cargo::warning=panics will be contained without their message: this toolchain's std names its panic handler in an unknown way"
        ),
    }
}

fn find() -> Option<String> {
    let directory = library_directory()?;
    let library = fs::read_dir(directory).ok()?.filter_map(Result::ok).map(|e| e.path()).find(|p| is_std(p))?;
    let bytes = fs::read(library).ok()?;
    let at = bytes.windows(TAIL.len()).position(|w| w == TAIL)?;
    let start = bytes[..at].windows(HEAD.len()).rposition(|w| w == HEAD)?;
    let name = std::str::from_utf8(&bytes[start..at + TAIL.len()]).ok()?;
    // crate disambiguators are short; anything longer is not one symbol
    (name.len() < 80 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then(|| name.to_owned())
}

fn is_std(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.starts_with("libstd-") && name.ends_with(".rlib")
}

fn library_directory() -> Option<PathBuf> {
    let output = Command::new(env::var_os("RUSTC")?)
        .args(["--print", "target-libdir", "--target"])
        .arg(env::var_os("TARGET")?)
        .output()
        .ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
