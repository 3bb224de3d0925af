//! From an instruction pointer to function, file and line. Off the fault path: reads the executable's debug info.

use std::path::Path;

use addr2line::Loader;

/// The symboliser of this process.
pub struct Symbols {
    loader: Loader,
    base: u64,
}

impl Symbols {
    /// Opens this executable. `None` when it cannot be read or has no symbols: reports then show addresses.
    #[must_use]
    pub fn of_this_process() -> Option<Symbols> {
        let path = std::fs::read_link("/proc/self/exe").ok()?;
        let base = load_address(&path)?;
        Some(Symbols { loader: Loader::new(path).ok()?, base })
    }

    /// `function at file:line` of the code at `rip`. Of the functions inlined there the innermost that is a
    /// driver's (a file under `drivers/`) is named: a fault injector is inlined into the driver, and the driver's line
    /// is what the reader wants.
    #[must_use]
    pub fn describe(&self, rip: u64) -> Option<String> {
        let address = rip.checked_sub(self.base)?;
        let mut frames = self.loader.find_frames(address).ok()?;
        let mut best = None;
        while let Ok(Some(frame)) = frames.next() {
            let Some((file, line)) = frame.location.and_then(|l| Some((l.file?, l.line?))) else { continue };
            let of_driver = file.contains("drivers/");
            if best.is_none() || of_driver {
                let name = frame.function.and_then(|f| f.demangle().ok().map(|n| n.into_owned()));
                best = Some(format!("{} at {}:{line}", short(&name.unwrap_or_default()), tail(file)));
            }
            if of_driver {
                break;
            }
        }
        best
    }
}

/// Address at which the first byte of the executable is mapped.
fn load_address(path: &Path) -> Option<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.split_whitespace().nth(5).is_some_and(|p| path.as_os_str() == p))?;
    let mut fields = line.split_whitespace();
    let start = fields.next()?.split('-').next()?;
    let offset = fields.nth(1)?;
    (u64::from_str_radix(offset, 16).ok()? == 0).then(|| u64::from_str_radix(start, 16).ok()).flatten()
}

/// The last two parts of a path-like name: `Rtl8139::transmit`.
fn short(name: &str) -> String {
    let plain = name.split('<').next_back().unwrap_or(name);
    let method = name.rsplit("::").find(|part| !part.starts_with('h') || part.len() != 17).unwrap_or(plain);
    method.trim_end_matches('>').to_owned()
}

/// The path from `drivers/` on, or its file name: the same on every machine.
pub(crate) fn tail(file: &str) -> &str {
    match file.rfind("drivers/") {
        Some(at) => &file[at..],
        None => file.rsplit('/').next().unwrap_or(file),
    }
}
