//! Calling cargo from a task, and reading what it says about the workspace and what it has built.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{guest::workspace, steps::Failure};

/// The cargo that runs this program, in the workspace's root.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(workspace());
    command
}

/// What a command, mostly cargo's, writes to standard output; its standard error goes where this program's does.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Failure> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args()).map(|word| word.to_string_lossy());
    let text = words.collect::<Vec<_>>().join(" ");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Failure::Io { doing: format!("start {text}"), source })?;
    if !output.status.success() {
        return Err(Failure::Program { command: text, status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The executables of a package's integration tests, as (name, path). Builds them.
pub(crate) fn test_programs(package: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    tests_of(&["--package", package])
}

/// The same, built for release.
pub(crate) fn release_test_programs(package: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    tests_of(&["--package", package, "--release"])
}

fn tests_of(which: &[&str]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut arguments = vec!["test", "--no-run", "--message-format=json-render-diagnostics"];
    arguments.extend(which);
    programs_in(&output_of(&mut cargo(arguments))?, "test")
}

/// The programs called `names` of `packages`, built for release.
pub(crate) fn release_programs(packages: &[&str], names: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    release_programs_in(&workspace(), packages, names)
}

/// The same of a copy of the workspace.
pub(crate) fn release_programs_in(root: &Path, packages: &[&str], names: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut arguments = vec!["build", "--release", "--bins", "--message-format=json-render-diagnostics"];
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    let built = programs_in(&output_of(cargo(arguments).current_dir(root))?, "bin")?;
    let find = |name: &&str| {
        let found = built.iter().find(|(built, _)| built == name).map(|(_, path)| path.clone());
        found.ok_or_else(|| Failure::Output(format!("cargo has built no program {name}")))
    };
    names.iter().map(find).collect()
}

/// What is built for guests and for the Debian package, in one go: another set of packages is another set of features, built anew.
pub(crate) const TOGETHER: [&str; 2] = ["udrv-daemon", "udrv-judge"];

/// What most guests need, built for release: udrvd, udrvctl and the judge.
pub(crate) fn guest_programs() -> Result<Vec<PathBuf>, Failure> {
    release_programs(&TOGETHER, &["udrvd", "udrvctl", "udrv-judge"])
}

/// The example called `name` of `package`, built for release.
pub(crate) fn release_example(package: &str, name: &str) -> Result<PathBuf, Failure> {
    let arguments = ["build", "--release", "--message-format=json-render-diagnostics", "--package", package];
    let built = programs_in(&output_of(cargo(arguments).args(["--example", name]))?, "example")?;
    let found = built.into_iter().find(|(built, _)| built == name).map(|(_, path)| path);
    found.ok_or_else(|| Failure::Output(format!("cargo has built no example {name}")))
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn programs_in(messages: &str, wanted: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut programs = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line)
            .map_err(|error| Failure::Output(format!("cargo wrote a message that is not understood: {error}")))?;
        if let Message { reason, executable: Some(path), target: Some(target) } = message
            && reason == "compiler-artifact"
            && target.kind.iter().any(|kind| kind == wanted)
        {
            programs.push((target.name, path));
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_among_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"fgft","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"fgft","kind":["lib"]},"executable":"/t/fgft-1"}
{"reason":"compiler-artifact","target":{"name":"wild","kind":["test"]},"executable":"/t/wild-2"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(programs_in(messages, "test").unwrap(), [("wild".to_owned(), PathBuf::from("/t/wild-2"))]);
        assert!(programs_in("{\"reason\":", "test").is_err());
    }
}
