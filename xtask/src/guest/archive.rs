//! What a guest is given, put together as an archive that its kernel unpacks.

use super::{
    Guest, error::Result, initramfs::Initramfs, kernel::Unpacked, packages::Cache, systemd::root::Overlay, tools::Tools,
};

impl Guest {
    /// The bare root, as an archive.
    pub(super) fn bare(&self, cache: &Cache, tools: &Tools, kernel: &Unpacked) -> Result<Vec<u8>> {
        let mut root = Initramfs::new(tools)?;
        root.modules(&kernel.modules(self.modules.iter().map(String::as_str), tools)?, &self.parameters);
        root.modules_at_hand(&kernel.modules(self.modules_at_hand.iter().map(String::as_str), tools)?);
        for (host_path, guest_path) in &self.programs {
            root.program(host_path, guest_path)?;
        }
        for (path, mode, bytes) in &self.files {
            root.file(path, *mode, bytes);
        }
        if self.alsa {
            root.alsa(&Tools::provide_alsa(cache)?)?;
        }
        root.script(&self.script);
        Ok(root.finish())
    }

    /// What is laid over the root with systemd, as an archive.
    pub(super) fn over_systemd(&self, cache: &Cache, tools: &Tools, kernel: &Unpacked) -> Result<Vec<u8>> {
        let mut over = Overlay::new(tools, kernel, &self.modules)?;
        for (host_path, guest_path) in &self.programs {
            over.program(host_path, guest_path)?;
        }
        for (path, mode, bytes) in &self.files {
            over.file(path, *mode, bytes);
        }
        if self.alsa {
            over.alsa(&Tools::provide_alsa(cache)?)?;
        }
        over.file("/guest/script", 0o755, self.script.as_bytes());
        Ok(over.finish())
    }
}
