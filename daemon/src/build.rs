//! Which program this is.

use std::fs::File;
use std::sync::LazyLock;

use object::{Object, ReadCache};

use crate::protocol::Build;

/// This process's.
pub(crate) fn of_this_process() -> Build {
    static ID: LazyLock<Option<String>> = LazyLock::new(build_id);
    Build { pid: std::process::id(), version: env!("CARGO_PKG_VERSION").to_owned(), build: ID.clone() }
}

/// As the linker has put it into the program.
fn build_id() -> Option<String> {
    let cache = ReadCache::new(File::open("/proc/self/exe").ok()?);
    let id = object::File::parse(&cache).ok()?.build_id().ok()??.to_owned();
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}
