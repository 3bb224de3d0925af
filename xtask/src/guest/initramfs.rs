//! The guest's root: a file system in memory, made anew for each run.
//!
//! It holds busybox, the kernel modules, the programs with their libraries and the scripts. No distribution, no
//! package manager and no udev: what a test needs is put in by name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    cpio::Archive,
    error::{Doing, Error, Result},
    process,
    tools::{ALSA_DATA, ALSA_PROGRAMS, Tools, paths_of},
};

/// Where a host's program lands in the guest.
pub(crate) const PROGRAMS: &str = "/usr/local/bin";
/// Where programs of the unpacked tools land, with their own libraries: the host may have another C library.
const TOOLS: &str = "/guest/tools";

/// An initramfs in the making.
pub(crate) struct Initramfs {
    archive: Archive,
    libraries: BTreeSet<PathBuf>,
    tool_libraries: BTreeSet<PathBuf>,
}

impl Initramfs {
    /// The root with busybox, `ip`, `ethtool` and the init script in it.
    ///
    /// # Errors
    /// If a file of the tools cannot be read.
    pub(crate) fn new(tools: &Tools) -> Result<Self> {
        let (libraries, tool_libraries) = (BTreeSet::new(), BTreeSet::new());
        let mut this = Self { archive: Archive::default(), libraries, tool_libraries };
        for folder in ["/proc", "/sys", "/dev", "/tmp", "/run", "/etc", "/results", "/lib/modules", PROGRAMS] {
            this.archive.directory(folder);
        }
        this.copy(&tools.path("bin/busybox"), "/bin/busybox")?;
        this.tool(tools, "bin/ip", "ip")?;
        this.tool(tools, "sbin/ethtool", "ethtool")?;
        this.archive.file("/etc/passwd", 0o644, b"root:x:0:0:root:/tmp:/bin/sh\n");
        this.archive.file("/etc/group", 0o644, b"root:x:0:\n");
        this.archive.file("/guest/lib.sh", 0o644, include_bytes!("lib.sh"));
        this.archive.file("/init", 0o755, include_bytes!("init.sh"));
        Ok(this)
    }

    /// Adds the modules, to be loaded in this order, each with its parameters from `parameters` (name, text).
    pub(crate) fn modules(&mut self, modules: &[(String, Vec<u8>)], parameters: &[(String, String)]) {
        let mut load = String::new();
        self.modules_at_hand(modules);
        for (name, _) in modules {
            let text = parameters.iter().find(|(module, _)| module == name).map_or("", |(_, text)| text.as_str());
            load += &format!("{name} {text}\n");
        }
        self.archive.file("/guest/load", 0o644, load.as_bytes());
    }

    /// Adds modules that are not loaded.
    pub(crate) fn modules_at_hand(&mut self, modules: &[(String, Vec<u8>)]) {
        for (name, bytes) in modules {
            self.archive.file(&format!("/guest/modules/{name}.ko"), 0o644, bytes);
        }
    }

    /// Adds the script that runs as root once the modules are in; its status is the guest's exit code.
    pub(crate) fn script(&mut self, text: &str) {
        self.archive.file("/guest/script", 0o755, text.as_bytes());
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.archive.file(path, mode, bytes);
    }

    /// Adds a program of the host, static or dynamic, as `guest_path`, and the libraries that it names, where they are.
    ///
    /// # Errors
    /// If the program or one of its libraries is missing.
    pub(crate) fn program(&mut self, host_path: &Path, guest_path: &str) -> Result<()> {
        self.copy(host_path, guest_path)?;
        let list = process::run(Command::new("ldd").arg(host_path));
        let libraries = match list {
            Ok(text) if text.contains("not found") => {
                return Err(Error::Malformed {
                    path: host_path.to_owned(),
                    why: format!("a library is missing\n{text}"),
                });
            }
            Ok(text) => text,
            // ldd fails on what has no dynamic section: a static program or a script, which needs nothing.
            Err(Error::Program { .. }) => return Ok(()),
            Err(other) => return Err(other),
        };
        for library in paths_of(&libraries) {
            if self.libraries.insert(library.clone()) {
                self.copy(&library, &library.to_string_lossy())?;
            }
        }
        Ok(())
    }

    /// Adds aplay, arecord and amixer, and what their library reads.
    ///
    /// # Errors
    /// If a file of theirs cannot be read.
    pub(crate) fn alsa(&mut self, alsa: &Tools) -> Result<()> {
        for name in ALSA_PROGRAMS {
            self.tool(alsa, &format!("usr/bin/{name}"), name)?;
        }
        self.folder(&alsa.path(ALSA_DATA), &format!("/{ALSA_DATA}"))
    }

    /// Adds the files below a folder.
    fn folder(&mut self, from: &Path, to: &str) -> Result<()> {
        for entry in fs::read_dir(from).doing(|| format!("list {}", from.display()))? {
            let path = entry.doing(|| format!("list {}", from.display()))?.path();
            let target = format!("{to}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() { self.folder(&path, &target)? } else { self.copy(&path, &target)? }
        }
        Ok(())
    }

    /// Adds a program of the unpacked tools, such as `bin/ip`, to be called as `name`. Trees of one suite have the same
    /// libraries, which are there once.
    ///
    /// # Errors
    /// If it or one of its libraries is missing.
    pub(crate) fn tool(&mut self, tools: &Tools, path: &str, name: &str) -> Result<()> {
        let program = tools.path(path);
        self.copy(&program, &format!("{TOOLS}/{name}"))?;
        let mut loader = None;
        for library in tools.libraries_of(&program)? {
            let base = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let target = format!("{TOOLS}/lib/{base}");
            if self.tool_libraries.insert(PathBuf::from(&target)) {
                self.copy(&library, &target)?;
            }
            loader.get_or_insert(target);
        }
        let loader = loader.unwrap_or_default();
        let wrapper =
            format!("#!/bin/sh\nexec {loader} --library-path {TOOLS}/lib --argv0 {name} {TOOLS}/{name} \"$@\"\n");
        self.archive.file(&format!("{PROGRAMS}/{name}"), 0o755, wrapper.as_bytes());
        Ok(())
    }

    /// The archive, for the kernel to unpack.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    fn copy(&mut self, from: &Path, to: &str) -> Result<()> {
        let bytes = fs::read(from).doing(|| format!("read {}", from.display()))?;
        self.archive.file(to, 0o755, &bytes);
        Ok(())
    }
}
