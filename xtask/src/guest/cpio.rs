//! A writer for cpio archives in the `newc` form, the one that the kernel unpacks as its initramfs.
//!
//! Not a general cpio: no links, no devices (devtmpfs makes those), owner is always root, times are zero so that
//! equal input gives equal bytes. Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeSet;

/// Type bits of a regular file and of a directory in `st_mode`.
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows in memory. Parent directories are made as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    directories: BTreeSet<String>,
}

impl Archive {
    /// Adds a regular file with permission bits `mode` at the absolute `path`.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = self.place(path);
        self.entry(&name, FILE | (mode & 0o7777), content);
    }

    /// Adds a directory, and those above it.
    pub(crate) fn directory(&mut self, path: &str) {
        let name = path.trim_matches('/').to_owned();
        if name.is_empty() || self.directories.contains(&name) {
            return;
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(&name, DIRECTORY | 0o755, &[]);
        self.directories.insert(name);
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    /// The archive's name for an absolute path, with its parent directories made.
    fn place(&mut self, path: &str) -> String {
        let name = path.trim_start_matches('/').to_owned();
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
        name
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let size = u32::try_from(content.len()).expect("newc holds files below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a path is short");
        // inode, mode, uid, gid, links, mtime, size, device major and minor, rdev major and minor, name size, checksum
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Headers and contents start at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive back as (name, mode, content), by the format's text and not by the writer's code.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let hex = |at: usize| usize::from_str_radix(std::str::from_utf8(&bytes[at..at + 8]).unwrap(), 16).unwrap();
        let mut at = 0;
        let mut entries = Vec::new();
        loop {
            assert_eq!(at % 4, 0);
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_size) = (hex(at + 14), hex(at + 54), hex(at + 94));
            let name = std::str::from_utf8(&bytes[at + 110..at + 110 + name_size - 1]).unwrap().to_owned();
            assert_eq!(bytes[at + 110 + name_size - 1], 0);
            let start = (at + 110 + name_size).next_multiple_of(4);
            let content = bytes[start..start + size].to_vec();
            at = (start + size).next_multiple_of(4);
            if name == TRAILER {
                assert_eq!(at, bytes.len());
                return entries;
            }
            entries.push((name, u32::try_from(mode).unwrap(), content));
        }
    }

    #[test]
    fn an_archive_reads_back() {
        let mut archive = Archive::default();
        archive.file("/usr/bin/tool", 0o755, b"12345");
        archive.file("/init", 0o700, b"");
        archive.directory("/usr/share/");
        let entries = read(&archive.finish());
        let expected = [
            ("usr", 0o040_755, &b""[..]),
            ("usr/bin", 0o040_755, b""),
            ("usr/bin/tool", 0o100_755, b"12345"),
            ("init", 0o100_700, b""),
            ("usr/share", 0o040_755, b""),
        ];
        assert_eq!(entries.len(), expected.len());
        for (entry, (name, mode, content)) in entries.iter().zip(expected) {
            assert_eq!((entry.0.as_str(), entry.1, entry.2.as_slice()), (name, mode, content));
        }
    }

    #[test]
    fn a_parent_directory_is_written_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/one", 0o644, b"1");
        archive.file("/a/b/two", 0o644, b"2");
        archive.directory("/a/b");
        let names: Vec<String> = read(&archive.finish()).into_iter().map(|entry| entry.0).collect();
        assert_eq!(names, ["a", "a/b", "a/b/one", "a/b/two"]);
    }
}
