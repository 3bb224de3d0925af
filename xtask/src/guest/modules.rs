//! Which module files a kernel needs for a set of module names, and in which order.
//!
//! Reads what `depmod` wrote (`modules.dep`, `modules.builtin`, `modules.softdep`). Not a modprobe: nothing is loaded
//! here, aliases are not followed and blacklists do not apply.

use std::collections::{HashMap, HashSet};

/// The dependency tables of one kernel.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Module name to its file (relative to the kernel's module folder) and the names it needs, nearest first.
    files: HashMap<String, (String, Vec<String>)>,
    builtin: HashSet<String>,
    /// Modules that want others loaded before them without needing their symbols.
    before: HashMap<String, Vec<String>>,
}

impl Modules {
    /// Parses the three tables that `depmod` leaves in a module folder.
    pub(crate) fn parse(dep: &str, builtin: &str, softdep: &str) -> Self {
        let mut modules = Self::default();
        for line in dep.lines() {
            let Some((file, needs)) = line.split_once(':') else { continue };
            let needs = needs.split_whitespace().map(name_of).collect();
            modules.files.insert(name_of(file), (file.trim().to_owned(), needs));
        }
        modules.builtin = builtin.lines().map(name_of).collect();
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("softdep") {
                continue;
            }
            let Some(module) = words.next() else { continue };
            let first = words.skip_while(|word| *word != "pre:").skip(1).take_while(|word| *word != "post:");
            modules.before.entry(normal(module)).or_default().extend(first.map(normal));
        }
        modules
    }

    /// The files to load for `wanted`, each after those it needs and none twice. A built-in module needs no file.
    ///
    /// # Errors
    /// The first wanted name that this kernel does not have.
    pub(crate) fn load_order<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, String> {
        let mut order = Order { modules: self, seen: HashSet::new(), files: Vec::new() };
        for name in wanted {
            let name = normal(name);
            if !self.files.contains_key(&name) && !self.builtin.contains(&name) {
                return Err(name);
            }
            order.visit(&name);
        }
        Ok(order.files)
    }
}

/// A walk through the tables, depth first.
struct Order<'a> {
    modules: &'a Modules,
    seen: HashSet<String>,
    files: Vec<String>,
}

impl Order<'_> {
    fn visit(&mut self, name: &str) {
        // Soft dependencies may go in a circle; a module that is on the way already is not visited again.
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some((file, needs)) = self.modules.files.get(name) else { return };
        for soft in self.modules.before.get(name).into_iter().flatten() {
            self.visit(soft);
        }
        for need in needs.iter().rev() {
            self.visit(need);
        }
        self.files.push(file.clone());
    }
}

/// The module's name in a file's path: `kernel/drivers/vfio/vfio-pci.ko.xz` is `vfio_pci`.
pub(crate) fn name_of(file: &str) -> String {
    let base = file.trim().rsplit('/').next().unwrap_or_default();
    normal(base.split_once(".ko").map_or(base, |(stem, _)| stem))
}

/// Module names are the same with `-` and with `_`.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/a/top.ko: kernel/a/mid-dle.ko kernel/a/base.ko
kernel/a/mid-dle.ko: kernel/a/base.ko
kernel/a/base.ko:
kernel/b/alone.ko.xz:
kernel/b/soft.ko:
";

    fn modules() -> Modules {
        let softdep = "# comment\nsoftdep soft pre: alone missing post: top\nsoftdep alone pre: soft\n";
        Modules::parse(DEP, "kernel/fs/inside.ko\n", softdep)
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let order = modules().load_order(["top", "mid_dle", "base"]).unwrap();
        assert_eq!(order, ["kernel/a/base.ko", "kernel/a/mid-dle.ko", "kernel/a/top.ko"]);
    }

    #[test]
    fn dash_and_underscore_are_one() {
        let order = modules().load_order(["mid-dle"]).unwrap();
        assert_eq!(order, ["kernel/a/base.ko", "kernel/a/mid-dle.ko"]);
    }

    #[test]
    fn a_builtin_needs_no_file_and_an_unknown_name_is_refused() {
        assert_eq!(modules().load_order(["inside"]).unwrap(), Vec::<String>::new());
        assert_eq!(modules().load_order(["alone", "no-such"]), Err("no_such".to_owned()));
    }

    #[test]
    fn soft_dependencies_may_be_missing_or_circular() {
        assert_eq!(modules().load_order(["soft"]).unwrap(), ["kernel/b/alone.ko.xz", "kernel/b/soft.ko"]);
    }
}
