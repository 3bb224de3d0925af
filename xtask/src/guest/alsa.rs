//! ALSA's programs and its configuration, for guests with a sound card.

use std::path::{Path, PathBuf};

use super::{
    error::Result,
    initramfs::Initramfs,
    packages::{Cache, Closure, Suite, Tree},
    tools::Tools,
};

const TREE: Tree =
    Tree { name: "alsa-tools", suite: Suite::Machine, packages: &["alsa-utils"], closure: Closure::Everything };

/// Puts `aplay`, `arecord`, `amixer` and what libasound reads into the guest.
///
/// # Errors
/// As [`Cache::provide`].
pub(super) fn alsa_tools(root: &mut Initramfs<'_>, cache: &Cache) -> Result<()> {
    let key_files = ["usr/bin/aplay", "usr/bin/amixer", "usr/share/alsa/alsa.conf"];
    let tree = cache.provide(&TREE, |_| Ok(key_files.map(PathBuf::from).to_vec()))?;
    let tools = Tools::of(tree);
    for (program, name) in [("usr/bin/aplay", "aplay"), ("usr/bin/aplay", "arecord"), ("usr/bin/amixer", "amixer")] {
        root.tool_of(&tools, program, name, "/guest/alsa")?;
    }
    // for the programs of the host too: libasound has the path built in
    let folder = Path::new("usr/share/alsa");
    root.files(&tools.path("usr/share/alsa/alsa.conf"), &Path::new("/").join(folder).join("alsa.conf"))?;
    for below in ["cards", "ctl", "pcm"] {
        root.files(&tools.path("usr/share/alsa").join(below), &Path::new("/").join(folder).join(below))?;
    }
    Ok(())
}
