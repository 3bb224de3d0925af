//! The guest's kernel: Debian's, unpacked, with the ELF image taken out of the compressed `vmlinuz`.
//!
//! QEMU boots the ELF image directly (by its PVH note). The compressed one decompresses itself under emulation, which
//! takes 4 to 7 seconds a boot. The layout of `vmlinuz` is the kernel's Documentation/arch/x86/boot.rst.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{
    error::{Doing, Error, Result},
    modules::Modules,
    packages::{Cache, Closure, Suite, Tree},
    process,
    tools::Tools,
};

/// The image's name in the kernel's tree.
const IMAGE: &str = "vmlinux";

/// The kernels to choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// Debian 12's own, 6.1: the oldest kernel that the project supports.
    #[default]
    #[value(name = "6.1")]
    Debian61,
    /// The newest in Debian 12's backports (6.12 at the time of writing).
    Backports,
}

impl Kernel {
    fn tree(self) -> Tree {
        let (name, suite, prefix) = match self {
            Self::Debian61 => ("linux-6.1", Suite::Machine, "linux-image-6.1."),
            Self::Backports => ("linux-backports", Suite::Other("bookworm-backports"), "linux-image-6."),
        };
        Tree { name, suite, packages: &["linux-image-amd64"], closure: Closure::Behind(prefix), recipe: "" }
    }

    /// Takes the kernel from the cache, or fetches it.
    ///
    /// # Errors
    /// As [`Cache::provide`], or if the image cannot be taken out of `vmlinuz`.
    pub(crate) fn provide(self, cache: &Cache, tools: &Tools) -> Result<Unpacked> {
        let root = cache.provide(&self.tree(), |root, _| {
            let release = release_in(root)?;
            process::run(tools.command("bin/kmod", "depmod").arg("-b").arg(root).arg(&release))?;
            let vmlinuz = PathBuf::from("boot").join(format!("vmlinuz-{release}"));
            extract(&root.join(&vmlinuz), &root.join(IMAGE), tools)?;
            let tables = ["modules.dep", "modules.builtin", "modules.softdep"];
            let tables = tables.map(|table| PathBuf::from("lib/modules").join(&release).join(table));
            Ok([PathBuf::from(IMAGE), vmlinuz].into_iter().chain(tables).collect())
        })?;
        let release = release_in(&root)?;
        Ok(Unpacked { root, release })
    }
}

/// A kernel in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    root: PathBuf,
    /// Its release, as `uname -r` prints it.
    pub(crate) release: String,
}

impl Unpacked {
    /// The ELF image that QEMU boots.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(IMAGE)
    }

    /// What depmod and modprobe read of a kernel besides its modules, as (name, contents).
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn tables(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let folder = self.root.join("lib/modules").join(&self.release);
        let read = |name| {
            let path = folder.join(name);
            Ok((name, fs::read(&path).doing(|| format!("read {}", path.display()))?))
        };
        ["modules.order", "modules.builtin", "modules.builtin.modinfo", "modules.softdep"]
            .into_iter()
            .map(read)
            .collect()
    }

    /// The contents of the module files to load for `wanted`, in order, each with its module's name.
    ///
    /// # Errors
    /// [`Error::NoModule`], or a file that cannot be read or decompressed.
    pub(crate) fn modules<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a str>,
        tools: &Tools,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = self.root.join("lib/modules").join(&self.release);
        let table = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).doing(|| format!("read {}", path.display()))
        };
        let modules = Modules::parse(&table("modules.dep")?, &table("modules.builtin")?, &table("modules.softdep")?);
        let order = modules.load_order(wanted);
        let order = order.map_err(|module| Error::NoModule { release: self.release.clone(), module })?;
        order.iter().map(|file| Ok((super::modules::name_of(file), read_module(&folder.join(file), tools)?))).collect()
    }
}

/// A module's bytes, decompressed: newer packages ship `.ko.xz`, and busybox's insmod takes only plain files.
fn read_module(file: &Path, tools: &Tools) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(file).doing(|| format!("read {}", file.display()));
    }
    let mut xz = tools.command("usr/bin/xz", "xz");
    let output = xz.args(["--decompress", "--stdout"]).arg(file).output();
    let output = output.doing(|| format!("decompress {}", file.display()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Malformed { path: file.to_owned(), why });
    }
    Ok(output.stdout)
}

/// The release of the one kernel in a tree.
fn release_in(root: &Path) -> Result<String> {
    let folder = root.join("lib/modules");
    let mut entries = fs::read_dir(&folder).doing(|| format!("list {}", folder.display()))?;
    let first = entries.next().and_then(std::result::Result::ok);
    let release = first.and_then(|entry| entry.file_name().into_string().ok());
    release.ok_or_else(|| Error::Malformed { path: folder, why: "no kernel release here".to_owned() })
}

/// Takes the ELF image out of `vmlinuz` and puts it at `image`.
fn extract(vmlinuz: &Path, image: &Path, tools: &Tools) -> Result<()> {
    let malformed = |why: &str| Error::Malformed { path: vmlinuz.to_owned(), why: why.to_owned() };
    let bytes = fs::read(vmlinuz).doing(|| format!("read {}", vmlinuz.display()))?;
    let (stream, size) = payload(&bytes).map_err(malformed)?;
    let mut decompress = match stream {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => tools.command("usr/bin/xz", "xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => tools.command("usr/bin/zstd", "zstd"),
        _ => return Err(malformed("the payload is neither xz nor zstd")),
    };
    let compressed = image.with_extension("compressed");
    fs::write(&compressed, stream).doing(|| format!("write {}", compressed.display()))?;
    process::filter(decompress.args(["--decompress", "--stdout"]), &compressed, image)?;
    fs::remove_file(&compressed).doing(|| format!("remove {}", compressed.display()))?;

    let elf = fs::read(image).doing(|| format!("read {}", image.display()))?;
    if elf.len() != size || !elf.starts_with(b"\x7fELF") {
        return Err(malformed("what came out of it is not an ELF image of the announced size"));
    }
    Ok(())
}

/// The compressed stream in a bzImage, and the size in bytes of what is in it.
fn payload(bzimage: &[u8]) -> std::result::Result<(&[u8], usize), &'static str> {
    // Offsets in the setup header, which is at 0x1f1 of the file.
    const SETUP_SECTORS: usize = 0x1f1;
    const MAGIC: usize = 0x202;
    const VERSION: usize = 0x206;
    const PAYLOAD_OFFSET: usize = 0x248;
    const PAYLOAD_LENGTH: usize = 0x24c;
    /// The first protocol version that tells where the payload is.
    const FIRST_WITH_PAYLOAD: u16 = 0x0208;
    /// The payload ends with the size of its content: its own format need not tell it.
    const SIZE: usize = 4;

    let u16_at = |at: usize| Some(u16::from_le_bytes(bzimage.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| {
        let bytes = bzimage.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    if bzimage.get(MAGIC..MAGIC + 4) != Some(b"HdrS") {
        return Err("not a bzImage: no setup header");
    }
    if u16_at(VERSION).is_none_or(|version| version < FIRST_WITH_PAYLOAD) {
        return Err("a bzImage too old to tell where its payload is");
    }
    // Zero sectors stands for four: the oldest loaders did not fill the field in.
    let sectors = match bzimage[SETUP_SECTORS] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let cut = || -> Option<(&[u8], usize)> {
        let start = (sectors + 1) * 512 + u32_at(PAYLOAD_OFFSET)?;
        let end = start + u32_at(PAYLOAD_LENGTH)?;
        let stream = bzimage.get(start..end.checked_sub(SIZE)?)?;
        Some((stream, u32_at(end - SIZE)?))
    };
    cut().ok_or("a bzImage whose payload is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage with two setup sectors, `gap` bytes of code and then the payload.
    fn bzimage(gap: usize, stream: &[u8], size: u32) -> Vec<u8> {
        let mut image = vec![0; 3 * 512 + gap];
        image[0x1f1] = 2;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&u32::try_from(gap).unwrap().to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&u32::try_from(stream.len() + 4).unwrap().to_le_bytes());
        image.extend_from_slice(stream);
        image.extend_from_slice(&size.to_le_bytes());
        image.extend_from_slice(b"what follows is not looked at");
        image
    }

    #[test]
    fn the_payload_is_found_where_the_header_says() {
        let image = bzimage(77, b"compressed", 4096);
        assert_eq!(payload(&image), Ok((&b"compressed"[..], 4096)));
    }

    #[test]
    fn what_is_no_bzimage_is_refused() {
        assert!(payload(b"MZ").is_err());
        assert!(payload(&[0; 4096]).is_err());
        let mut old = bzimage(0, b"x", 1);
        old[0x206] = 7;
        assert!(payload(&old).is_err());
    }

    #[test]
    fn every_cut_is_refused_without_a_panic() {
        let image = bzimage(5, b"compressed", 10);
        let whole = 3 * 512 + 5 + 10 + 4;
        for length in 0..whole {
            assert!(payload(&image[..length]).is_err(), "cut at {length}");
        }
        assert!(payload(&image[..whole]).is_ok());
    }
}
