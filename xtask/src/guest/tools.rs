//! The programs that make and run a guest: QEMU, busybox, depmod, `ip`, decompressors.
//!
//! They come unpacked with all their libraries, the C library among them, and run through their own loader. So the
//! host needs neither the packages nor the same release. They see the host's files all the same: this is no chroot.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    error::Result,
    packages::{Cache, Closure, Suite, Tree},
    process,
};

const TREE: Tree = Tree {
    name: "tools",
    suite: Suite::Machine,
    packages: &["qemu-system-x86", "busybox-static", "kmod", "iproute2", "ethtool", "xz-utils", "zstd"],
    closure: Closure::Everything,
    recipe: "",
};

/// A QEMU that is new enough (10.1) to be a vfio-user client, and nothing else.
const NEWER_QEMU: Tree = Tree {
    name: "newer-qemu",
    suite: Suite::Backports("trixie"),
    packages: &["qemu-system-x86"],
    closure: Closure::Everything,
    recipe: "",
};

/// ALSA's programs, and what its library reads. A tree of its own: few scenarios need it.
const ALSA: Tree =
    Tree { name: "alsa", suite: Suite::Machine, packages: &["alsa-utils"], closure: Closure::Everything, recipe: "" };

/// What makes a file system of a folder.
const SQUASHFS: Tree = Tree {
    name: "squashfs",
    suite: Suite::Machine,
    packages: &["squashfs-tools"],
    closure: Closure::Everything,
    recipe: "",
};

/// What is taken of ALSA's programs.
pub(crate) const ALSA_PROGRAMS: [&str; 3] = ["aplay", "arecord", "amixer"];
/// Where ALSA's library looks for what it reads, in the tree and in the guest.
pub(crate) const ALSA_DATA: &str = "usr/share/alsa";

/// The loader in the tree. `/lib64/ld-linux-x86-64.so.2` is an absolute link to it, which would lead to the host's.
const LOADER: &str = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
/// The same in the newer tree: from Debian 13 on all of `/lib` is in `/usr/lib`.
const NEWER_LOADER: &str = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
/// Where the tree's libraries are.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// The unpacked programs.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    root: PathBuf,
    loader: &'static str,
}

impl Tools {
    /// Takes the programs from the cache, or fetches them.
    ///
    /// # Errors
    /// As [`Cache::provide`].
    pub(crate) fn provide(cache: &Cache) -> Result<Self> {
        let key_files = ["usr/bin/qemu-system-x86_64", "usr/share/seabios/bios-256k.bin", "usr/share/qemu/pvh.bin"];
        let key_files = key_files.into_iter().chain(["bin/busybox", "bin/kmod", "bin/ip", "sbin/ethtool", LOADER]);
        let root = cache.provide(&TREE, |_, _| Ok(key_files.map(PathBuf::from).collect()))?;
        Ok(Self { root, loader: LOADER })
    }

    /// The same for the newer QEMU: there is no other program in that tree.
    ///
    /// # Errors
    /// As [`Cache::provide`].
    pub(crate) fn provide_newer_qemu(cache: &Cache) -> Result<Self> {
        let key_files = ["usr/bin/qemu-system-x86_64", "usr/share/seabios/bios-256k.bin", NEWER_LOADER];
        let root = cache.provide(&NEWER_QEMU, |_, _| Ok(key_files.map(PathBuf::from).to_vec()))?;
        Ok(Self { root, loader: NEWER_LOADER })
    }

    /// The same for aplay, arecord and amixer: there is no other program in that tree.
    ///
    /// # Errors
    /// As [`Cache::provide`].
    pub(crate) fn provide_alsa(cache: &Cache) -> Result<Self> {
        let key_files = ["usr/bin/aplay", "usr/bin/amixer", "usr/share/alsa/alsa.conf", LOADER];
        let root = cache.provide(&ALSA, |_, _| Ok(key_files.map(PathBuf::from).to_vec()))?;
        Ok(Self { root, loader: LOADER })
    }

    /// The same for mksquashfs: there is no other program in that tree.
    ///
    /// # Errors
    /// As [`Cache::provide`].
    pub(crate) fn provide_squashfs(cache: &Cache) -> Result<Self> {
        let root = cache.provide(&SQUASHFS, |_, _| Ok(["usr/bin/mksquashfs", LOADER].map(PathBuf::from).to_vec()))?;
        Ok(Self { root, loader: LOADER })
    }

    /// A file in the tree, such as `usr/share/qemu`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A command that runs a dynamic program of the tree, such as `bin/kmod`, by the name that it looks at.
    pub(crate) fn command(&self, program: &str, name: &str) -> Command {
        let mut command = Command::new(self.path(self.loader));
        command.args(self.loader_options(name)).arg(self.path(program));
        command
    }

    /// A command that runs an applet of busybox, which is static.
    pub(crate) fn busybox(&self, applet: &str) -> Command {
        let mut command = Command::new(self.path("bin/busybox"));
        command.arg(applet);
        command
    }

    /// The folder of QEMU's loadable parts, for `QEMU_MODULE_DIR`.
    pub(crate) fn qemu_modules(&self) -> PathBuf {
        self.path("usr/lib/x86_64-linux-gnu/qemu")
    }

    /// The libraries that a program of the tree needs, as files in the tree, with its loader first.
    ///
    /// # Errors
    /// If the loader cannot resolve them.
    pub(crate) fn libraries_of(&self, program: &Path) -> Result<Vec<PathBuf>> {
        let mut list = Command::new(self.path(self.loader));
        list.args(self.loader_options("list")).arg("--list").arg(program);
        let mut libraries = vec![self.path(self.loader)];
        libraries.extend(paths_of(&process::run(&mut list)?).filter(|path| path.starts_with(&self.root)));
        Ok(libraries)
    }

    fn loader_options(&self, name: &str) -> [std::ffi::OsString; 5] {
        let path = LIBRARIES.map(|folder| self.path(folder).into_os_string()).join(OsStr::new(":"));
        ["--inhibit-cache".into(), "--library-path".into(), path, "--argv0".into(), name.into()]
    }
}

/// The files named in what `ldd` (or the loader's `--list`) prints.
pub(crate) fn paths_of(listing: &str) -> impl Iterator<Item = PathBuf> + '_ {
    listing.lines().filter_map(|line| {
        let file = line.split_once("=>").map_or(line, |(_, file)| file);
        let file = file.rsplit_once('(').map_or(file, |(file, _)| file).trim();
        file.starts_with('/').then(|| PathBuf::from(file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_names_libraries_and_the_loader() {
        let listing =
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\t/lib64/ld.so (0x00007e)\n";
        let paths: Vec<PathBuf> = paths_of(listing).collect();
        assert_eq!(paths, [PathBuf::from("/lib/libc.so.6"), PathBuf::from("/lib64/ld.so")]);
    }
}
