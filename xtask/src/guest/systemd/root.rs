//! The root of a Debian with systemd, made from packages: a file system that is only read, and what a run lays over it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::super::{
    cpio::Archive,
    error::{Doing, Result},
    initramfs::PROGRAMS,
    kernel::Unpacked,
    packages::{Cache, Closure, Suite, Tree},
    process,
    qemu::with_path,
    tools::{ALSA_PROGRAMS, Tools},
};

/// The file system's name in the cache.
const IMAGE: &str = "root.squashfs";

/// No recommended packages: what systemd needs, what Debian calls essential and the scripts call, what our package depends on.
const ROOT: Tree = Tree {
    name: "debian-root",
    suite: Suite::Machine,
    packages: &[
        "base-files",
        "base-passwd",
        "coreutils",
        "dash",
        "diffutils",
        "dpkg",
        "findutils",
        "grep",
        "gzip",
        "hostname",
        "init-system-helpers",
        "iproute2",
        "iputils-ping",
        "kmod",
        "libasound2",
        "libc-bin",
        "mawk",
        "mount",
        "passwd",
        "procps",
        "sed",
        "systemd",
        "systemd-sysv",
        "tar",
        "udev",
        "util-linux",
    ],
    closure: Closure::Everything,
    recipe: include_str!("root.sh"),
};

/// Not needed by a program, and half of the whole.
const LEFT_OUT: [&str; 6] =
    ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl", "usr/share/zoneinfo"];

/// What the kernel needs before there is a root.
const BOOT_MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "squashfs", "overlay"];

/// Where in the initramfs lies what is copied over the root.
const OVERLAY: &str = "/overlay";

/// Takes the root from the cache, or makes it.
///
/// # Errors
/// As [`Cache::provide`].
pub(crate) fn provide(cache: &Cache) -> Result<PathBuf> {
    let squashfs = Tools::provide_squashfs(cache)?;
    let root = cache.provide(&ROOT, |root, packages| {
        let recipe = root.with_extension("sh");
        fs::write(&recipe, ROOT.recipe).doing(|| format!("write {}", recipe.display()))?;
        process::run(Command::new("sh").arg(&recipe).arg(root).args(packages))?;
        fs::remove_file(&recipe).doing(|| format!("remove {}", recipe.display()))?;
        let image = root.with_extension("squashfs");
        let mut make = squashfs.command("usr/bin/mksquashfs", "mksquashfs");
        make.arg(root).arg(&image).args("-all-root -noappend -no-progress -quiet".split(' '));
        // an emulated processor reads faster than it unpacks
        make.args("-noI -noD -noF -noX -no-xattrs -e".split(' ')).args(LEFT_OUT);
        process::run(&mut make)?;
        for entry in fs::read_dir(root).doing(|| format!("list {}", root.display()))? {
            let path = entry.doing(|| format!("list {}", root.display()))?.path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path).doing(|| format!("remove {}", path.display()))?;
            } else if path.is_symlink() {
                fs::remove_file(&path).doing(|| format!("remove {}", path.display()))?;
            }
        }
        fs::rename(&image, root.join(IMAGE)).doing(|| format!("rename {}", image.display()))?;
        Ok(vec![PathBuf::from(IMAGE)])
    })?;
    Ok(root.join(IMAGE))
}

/// The arguments for QEMU that plug the root in.
pub(crate) fn drive(image: &Path) -> [OsString; 4] {
    let drive = with_path("if=none,id=root,format=raw,readonly=on,file=", image);
    ["-drive".into(), drive, "-device".into(), "virtio-blk-pci,drive=root,addr=0x1e".into()]
}

/// What a run puts over the root, and the first process that does it.
pub(crate) struct Overlay {
    archive: Archive,
}

impl Overlay {
    /// With busybox, the kernel's modules for booting, and `modules` where modprobe and udev find them.
    ///
    /// # Errors
    /// If a file of the tools or of the kernel cannot be read.
    pub(crate) fn new(tools: &Tools, kernel: &Unpacked, modules: &[String]) -> Result<Self> {
        let mut archive = Archive::default();
        for folder in ["/proc", "/sys", "/dev"] {
            archive.directory(folder);
        }
        let busybox = tools.path("bin/busybox");
        archive.file("/bin/busybox", 0o755, &fs::read(&busybox).doing(|| format!("read {}", busybox.display()))?);
        archive.file("/init", 0o755, include_bytes!("init.sh"));
        let mut load = String::new();
        for (name, bytes) in kernel.modules(BOOT_MODULES, tools)? {
            archive.file(&format!("/boot/{name}.ko"), 0o644, &bytes);
            load += &format!("{name}\n");
        }
        archive.file("/boot/load", 0o644, load.as_bytes());
        let mut this = Self { archive };
        let folder = format!("/usr/lib/modules/{}", kernel.release);
        for (name, bytes) in kernel.modules(modules.iter().map(String::as_str), tools)? {
            this.file(&format!("{folder}/kernel/{name}.ko"), 0o644, &bytes);
        }
        for (name, text) in kernel.tables()? {
            this.file(&format!("{folder}/{name}"), 0o644, &text);
        }
        this.file("/guest/lib.sh", 0o644, include_bytes!("../lib.sh"));
        this.file("/guest/run", 0o755, include_bytes!("run.sh"));
        Ok(this)
    }

    /// Adds a file. A path below `/usr`, not below one of the links into it.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.archive.file(&format!("{OVERLAY}{path}"), mode, bytes);
    }

    /// Adds a program of the host or another file. Its libraries must be the root's.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn program(&mut self, host_path: &Path, guest_path: &str) -> Result<()> {
        let bytes = fs::read(host_path).doing(|| format!("read {}", host_path.display()))?;
        self.file(guest_path, 0o755, &bytes);
        Ok(())
    }

    /// Adds ALSA's programs; their library is the root's.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn alsa(&mut self, alsa: &Tools) -> Result<()> {
        ALSA_PROGRAMS
            .into_iter()
            .try_for_each(|name| self.program(&alsa.path(&format!("usr/bin/{name}")), &format!("{PROGRAMS}/{name}")))
    }

    /// The archive, for the kernel to unpack.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }
}
