//! `cargo xtask check`: what must hold before each commit: form, lints, documentation, layers and the project's rules.
//!
//! `layers.rs` knows which crate may use which, `rules.rs` what a source file may contain, `lexer.rs` how to tell code
//! from comments and strings, `units.rs` what systemd has to say of its units. Each rule's tests hold a small example that breaks it.

mod layers;
pub(crate) mod lexer;
mod rules;
mod units;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    cargo::{cargo, output_of},
    guest::workspace,
    steps::{self, Done, Failure, Step, program},
};

/// The steps, also the first ones of `cargo xtask test`.
pub(crate) const STEPS: [Step; 5] = [
    Step::host("format", || program(&mut cargo(["fmt", "--all", "--check"]))),
    Step::host("clippy", || {
        program(&mut cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    }),
    Step::host("docs", || {
        program(cargo(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    Step::host("rules", project_rules),
    Step::host("units", units::check),
];

/// The arguments of `cargo xtask check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only this step.
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
}

/// Runs the checks.
pub(crate) fn main(args: &Args) -> ExitCode {
    steps::run("cargo xtask check", &STEPS, args.only.as_deref())
}

/// The rules that cargo does not know.
fn project_rules() -> Result<Done, Failure> {
    let root = workspace();
    let metadata = output_of(&mut cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    let crates = layers::crates_in(&metadata)
        .map_err(|error| Failure::Output(format!("cargo metadata is not understood: {error}")))?;
    let mut violations = layers::check(&crates);
    for path in sources(&root)? {
        let text = read(&path)?;
        let relative = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        violations.extend(rules::check(&relative, &text));
    }
    if !violations.is_empty() {
        return Err(Failure::Rules(violations));
    }
    println!("layers of {} crates and the rules for their sources hold", crates.len());
    Ok(Done::Passed)
}

/// All Rust sources below `root`, in order; not what is built, not what is hidden.
fn sources(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let failed = |source| Failure::Io { doing: format!("list {}", folder.display()), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::Io { doing: format!("read {}", path.display()), source })
}
