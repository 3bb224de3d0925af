//! Which crate of the workspace may use which: arrows point one way.
//!
//! ```text
//!   daemon -> drivers -> udrv-driver -> udrv-inject
//!   daemon -> udrv -> fgft, udrv-bus, udrv-driver, udrv-inject, udrv-vfio-user
//!   daemon -> models -> udrv-bus, udrv-vfio-user
//! ```
//!
//! Dependencies of tests are free: a driver's tests may use a model. A crate is known by its folder.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// A folder, and the folders of the crates that the crate there may depend on. `x/*`: any folder in `x`; `*`: any
/// crate but the tasks.
const LAYERS: [(&str, &[&str]); 12] = [
    ("fgft", &[]),
    ("fgft/examples/*", &[]),
    ("udrv/bus", &[]),
    ("udrv/inject", &[]),
    ("udrv/vfio-user", &[]),
    ("udrv/driver", &["udrv/inject"]),
    ("drivers/*", &["udrv/driver"]),
    ("models/*", &["udrv/bus", "udrv/vfio-user", "models/*"]),
    ("udrv", &["fgft", "udrv/bus", "udrv/driver", "udrv/inject", "udrv/vfio-user"]),
    ("daemon", &["*"]),
    ("tests/*", &["*"]),
    (TASKS, &["*"]),
];

/// On which nobody depends.
const TASKS: &str = "xtask";

/// A crate of the workspace.
#[derive(Debug)]
pub(super) struct Crate {
    /// Its folder, from the root.
    folder: String,
    /// Folders of the workspace's crates that it depends on, but for tests and build scripts.
    uses: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None`: a normal one.
    kind: Option<String>,
    /// `None`: from a registry, even if its name is one of ours.
    path: Option<PathBuf>,
}

/// Reads the output of `cargo metadata --no-deps`.
pub(super) fn crates_in(metadata: &str) -> serde_json::Result<Vec<Crate>> {
    let Metadata { workspace_root, packages } = serde_json::from_str(metadata)?;
    let folder = |package: &Package| {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        folder.strip_prefix(&workspace_root).unwrap_or(folder).to_string_lossy().into_owned()
    };
    let folders: BTreeMap<&str, String> = packages.iter().map(|p| (p.name.as_str(), folder(p))).collect();
    let uses = |package: &Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind.is_none() && d.path.is_some());
        normal.filter_map(|d| folders.get(d.name.as_str()).cloned()).collect()
    };
    Ok(packages.iter().map(|p| Crate { folder: folder(p), uses: uses(p) }).collect())
}

/// One line for each dependency that points the wrong way, and for each crate that no layer knows.
pub(super) fn check(crates: &[Crate]) -> Vec<String> {
    let mut violations = Vec::new();
    for Crate { folder, uses } in crates {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| matches(layer, folder)) else {
            violations.push(format!("{folder}/Cargo.toml: no layer is known for this folder: see LAYERS in xtask"));
            continue;
        };
        for used in uses.iter().filter(|used| !allowed.iter().any(|pattern| matches(pattern, used))) {
            let rule = match *allowed {
                _ if used == TASKS => "nobody depends on xtask".to_owned(),
                [] => "may depend on no crate of the workspace".to_owned(),
                allowed => format!("of the workspace's crates, may depend only on {}", allowed.join(", ")),
            };
            violations.push(format!("{folder}/Cargo.toml: depends on {used}: {rule}"));
        }
    }
    violations
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => folder != TASKS,
        Some(start) => folder.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        None => pattern == folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(folder: &str, uses: &[&str]) -> Vec<String> {
        check(&[Crate { folder: folder.to_owned(), uses: uses.iter().map(|u| (*u).to_owned()).collect() }])
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        for (folder, uses) in [
            ("fgft", &[][..]),
            ("udrv/driver", &["udrv/inject"]),
            ("udrv", &["fgft", "udrv/bus", "udrv/driver", "udrv/inject"]),
            ("drivers/rtl8139", &["udrv/driver"]),
            ("models/rtl8139", &["udrv/bus", "models/wire"]),
            ("models/serve", &["udrv/bus", "udrv/vfio-user"]),
            ("daemon", &["udrv", "fgft", "drivers/rtl8139", "models/rtl8139"]),
            ("tests/campaign", &["udrv", "daemon"]),
        ] {
            assert_eq!(verdict(folder, uses), [""; 0], "{folder}");
        }
    }

    #[test]
    fn each_layer_refuses_what_is_above_or_beside_it() {
        for (folder, used) in [
            ("fgft", "udrv/bus"),
            ("fgft", "udrv"),
            ("udrv/bus", "fgft"),
            ("udrv/bus", "udrv/inject"),
            ("udrv/bus", "udrv/vfio-user"),
            ("udrv/vfio-user", "udrv/bus"),
            ("drivers/rtl8139", "udrv/vfio-user"),
            ("udrv/inject", "udrv/bus"),
            ("udrv/driver", "fgft"),
            ("udrv/driver", "udrv/bus"),
            ("drivers/rtl8139", "fgft"),
            ("drivers/rtl8139", "udrv"),
            ("drivers/rtl8139", "udrv/inject"),
            ("drivers/rtl8139", "drivers/e1000"),
            ("drivers/rtl8139", "models/rtl8139"),
            ("models/rtl8139", "drivers/rtl8139"),
            ("models/rtl8139", "udrv/driver"),
            ("models/rtl8139", "udrv"),
            ("udrv", "drivers/rtl8139"),
            ("udrv", "models/rtl8139"),
            ("udrv", "daemon"),
            ("daemon", "xtask"),
            ("tests/campaign", "xtask"),
            ("fgft", "xtask"),
        ] {
            let found = verdict(folder, &[used]);
            let start = format!("{folder}/Cargo.toml: depends on {used}: ");
            assert!(found.len() == 1 && found[0].starts_with(&start), "{folder} on {used}: {found:?}");
        }
        assert!(verdict("daemon", &["xtask"])[0].ends_with("nobody depends on xtask"));
    }

    #[test]
    fn a_crate_in_an_unknown_place_is_refused() {
        for folder in ["helpers", "drivers", "drivers/rtl8139/regs"] {
            assert!(verdict(folder, &[])[0].contains("no layer is known"), "{folder}");
        }
    }

    #[test]
    fn only_normal_dependencies_on_our_own_crates_count() {
        let metadata = r#"{"workspace_root": "/w", "packages": [
            {"name": "fgft", "manifest_path": "/w/fgft/Cargo.toml", "dependencies": [
                {"name": "libc", "kind": null, "path": null}]},
            {"name": "model-nic", "manifest_path": "/w/models/nic/Cargo.toml", "dependencies": []},
            {"name": "nic", "manifest_path": "/w/drivers/nic/Cargo.toml", "dependencies": [
                {"name": "model-nic", "kind": "dev", "path": "/w/models/nic"},
                {"name": "fgft", "kind": "build", "path": "/w/fgft"},
                {"name": "fgft", "kind": null, "path": null}]}]}"#;
        assert_eq!(check(&crates_in(metadata).unwrap()), [""; 0]);
        let worse = metadata.replace(r#""kind": null, "path": null}]}]}"#, r#""kind": null, "path": "/w/fgft"}]}]}"#);
        assert_eq!(check(&crates_in(&worse).unwrap()).len(), 1);
        assert!(crates_in("{}").is_err());
    }
}
