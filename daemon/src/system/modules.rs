//! What the running kernel has as a module.

use super::System;

/// How the kernel has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    /// As a module, which is loaded.
    Loaded,
    /// In the kernel itself.
    BuiltIn,
    /// As a module, which is not loaded.
    Loadable,
    /// Not at all.
    Absent,
    /// There is no list of this kernel's modules.
    Unknown,
}

impl System {
    /// How the running kernel has a module, by its name as modprobe takes it.
    pub(super) fn module(&self, name: &str) -> Module {
        let loaded = format!("sys/module/{}", name.replace('-', "_"));
        // what is built in has a folder too if it has parameters, and never this
        if self.exists(format!("{loaded}/initstate")) {
            return Module::Loaded;
        }
        let Some(release) = self.release().filter(|release| !release.contains('/')) else {
            return if self.exists(loaded) { Module::BuiltIn } else { Module::Unknown };
        };
        let list = |file: &str| self.table(format!("lib/modules/{release}/{file}"));
        let (built_in, files) = (list("modules.builtin"), list("modules.dep"));
        if self.exists(loaded) || built_in.as_deref().is_some_and(|text| has(text, name)) {
            return Module::BuiltIn;
        }
        match files {
            Some(text) if has(&text, name) => Module::Loadable,
            Some(_) => Module::Absent,
            None => Module::Unknown,
        }
    }
}

/// Whether a line of `modules.dep` or `modules.builtin` begins with the file of that module.
fn has(text: &str, name: &str) -> bool {
    let normal = |name: &str| name.replace('-', "_");
    let name = normal(name);
    let module = |line: &str| {
        let file = line.split(':').next()?.rsplit('/').next()?;
        Some(normal(file.split_once(".ko")?.0))
    };
    text.lines().any(|line| module(line).is_some_and(|module| module == name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn each_way_to_have_a_module_is_told_apart() {
        let tree = Tree::new();
        tree.write("proc/sys/kernel/osrelease", "6.1.0\n");
        tree.write("sys/module/vfio_pci/initstate", "live\n");
        tree.write("sys/module/uinput/parameters/x", "");
        tree.write("lib/modules/6.1.0/modules.builtin", "kernel/drivers/net/tun.ko\n");
        let dep =
            "kernel/sound/drivers/snd-aloop.ko.xz: kernel/sound/core/snd.ko.xz\nkernel/a.ko: kernel/serio_raw.ko\n";
        tree.write("lib/modules/6.1.0/modules.dep", dep);
        let module = |name| tree.system().module(name);
        assert_eq!(module("vfio-pci"), Module::Loaded);
        assert_eq!((module("uinput"), module("tun")), (Module::BuiltIn, Module::BuiltIn));
        assert_eq!((module("snd-aloop"), module("snd_aloop")), (Module::Loadable, Module::Loadable));
        assert_eq!(module("serio_raw"), Module::Absent, "what another needs is no module of the list");
    }

    #[test]
    fn a_machine_that_says_nothing_is_not_known() {
        let tree = Tree::new();
        assert_eq!(tree.system().module("tun"), Module::Unknown);
        tree.write("proc/sys/kernel/osrelease", "../../etc\n");
        assert_eq!(tree.system().module("tun"), Module::Unknown);
        tree.write("proc/sys/kernel/osrelease", "6.1.0\n");
        assert_eq!(tree.system().module("tun"), Module::Unknown);
        tree.write("lib/modules/6.1.0/modules.dep", "\u{0}:::\n.ko\n/\n");
        assert_eq!(tree.system().module("tun"), Module::Absent);
    }

    proptest! {
        #[test]
        fn any_list_is_read(text in "([a-z/.-]*(.ko)?(.xz)?:? ?.*\n)*", name in "[a-z_-]*") {
            let _ = has(&text, &name);
        }
    }
}
