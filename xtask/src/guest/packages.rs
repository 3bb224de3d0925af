//! Debian packages, fetched and unpacked into a folder of the project's own, and kept there.
//!
//! Nothing is installed: the host's package database and its files stay as they are, and no root is needed. apt does the
//! resolving, the downloading and the verifying, with its state in the cache and the sources of the machine. A tree that
//! is complete carries [`STAMP`], the hashes of the files that matter; a tree without it, with another hash, or made for
//! other packages, is fetched anew. Maintainer scripts do not run, so what they would make (alternatives, caches) is not there.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    error::{Doing, Error, Result},
    process,
};

/// In the root of a complete tree: the hashes of its key files, as `sha256sum --check` reads them.
const STAMP: &str = "SHA256SUMS";
/// Beside it: the names (with versions) and hashes of the packages that the tree was unpacked from.
const RECORD: &str = "PACKAGES";

/// And what was asked for: a tree that was made from other names is not the one.
const WANTED: &str = "WANTED";

/// Where packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// The sources of the machine, as they are.
    Machine,
    /// Another suite of the machine's own mirror, such as `bookworm-backports`.
    Other(&'static str),
    /// Another release of the machine's own mirror, with its backports before it, such as `trixie`.
    Backports(&'static str),
}

/// A tree to be had from packages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    /// The folder's name in the cache.
    pub(crate) name: &'static str,
    /// Where the packages come from.
    pub(crate) suite: Suite,
    /// Names of packages, or of meta packages.
    pub(crate) packages: &'static [&'static str],
    /// What to take besides.
    pub(crate) closure: Closure,
    /// The text of what `finish` makes of it where that may change, or nothing: a tree that was made with another is not the one.
    pub(crate) recipe: &'static str,
}

/// Which packages a list of names stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closure {
    /// The named packages and everything they depend on, down to the C library: the tree runs by itself.
    Everything,
    /// What the named meta packages point at (their one `Depends:` with this prefix), and nothing else.
    Behind(&'static str),
}

/// The folder that holds all trees.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `root`, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The root of `tree`, from the cache or, when it is not there, from the package mirror.
    ///
    /// `finish` runs once on a newly unpacked tree, with the packages that it was unpacked from, makes there what is derived
    /// from it, and names the key files (relative to the root) whose hashes vouch for the tree from then on.
    ///
    /// # Errors
    /// [`Error::Offline`] if the tree is not in the cache and the mirror does not answer.
    pub(crate) fn provide(
        &self,
        tree: &Tree,
        finish: impl FnOnce(&Path, &[PathBuf]) -> Result<Vec<PathBuf>>,
    ) -> Result<PathBuf> {
        fs::create_dir_all(&self.root).doing(|| format!("create {}", self.root.display()))?;
        // Two guests that start at once must not both fill the same folder. The lock goes when the file is closed.
        let lock = self.root.join(format!(".{}.lock", tree.name));
        let lock = File::create(&lock).doing(|| format!("create {}", lock.display()))?;
        lock.lock().doing(|| format!("lock the cache of {}", tree.name))?;

        let root = self.root.join(tree.name);
        if is_whole(&root, tree) {
            return Ok(root);
        }
        eprintln!("guest: fetching {} ({})", tree.name, tree.packages.join(", "));
        let partial = self.root.join(format!("{}.partial", tree.name));
        remove(&partial)?;
        fs::create_dir_all(&partial).doing(|| format!("create {}", partial.display()))?;
        let home = self.apt_home(tree);
        remove(&home)?; // or packages of an earlier, broken attempt would be unpacked too
        let debs = Apt::new(home, tree)?.download()?;
        for deb in &debs {
            process::run(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(&partial))?;
        }
        let mut record = Command::new("sha256sum");
        record.args(debs.iter().filter_map(|deb| deb.file_name()));
        record.current_dir(debs.first().and_then(|deb| deb.parent()).unwrap_or(&self.root));
        write(&partial.join(RECORD), &process::run(&mut record)?)?;

        write(&partial.join(WANTED), &tree.wanted())?;
        let key_files = finish(&partial, &debs)?;
        let sums =
            process::run(Command::new("sha256sum").args(key_files).args([RECORD, WANTED]).current_dir(&partial))?;
        write(&partial.join(STAMP), &sums)?;
        remove(&root)?;
        fs::rename(&partial, &root).doing(|| format!("rename {}", partial.display()))?;
        remove(&self.apt_home(tree))?;
        Ok(root)
    }

    /// Where apt keeps its state while it fetches `tree`.
    fn apt_home(&self, tree: &Tree) -> PathBuf {
        self.root.join(format!("{}.apt", tree.name))
    }
}

impl Tree {
    /// What it is made from, one name a line, and by what.
    fn wanted(&self) -> String {
        let names: String = self.packages.iter().map(|name| format!("{name}\n")).collect();
        if self.recipe.is_empty() { names } else { format!("{names}\n{}", self.recipe) }
    }
}

/// Whether a tree is complete, is made of what is wanted, and its key files are as they were made.
fn is_whole(root: &Path, tree: &Tree) -> bool {
    fs::read_to_string(root.join(WANTED)).is_ok_and(|made_from| made_from == tree.wanted())
        && root.join(STAMP).is_file()
        && process::run(Command::new("sha256sum").args(["--check", "--quiet", STAMP]).current_dir(root)).is_ok()
}

fn remove(tree: &Path) -> Result<()> {
    if tree.exists() { fs::remove_dir_all(tree).doing(|| format!("remove {}", tree.display())) } else { Ok(()) }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}

/// apt with state, cache and (for another suite) sources of its own.
struct Apt<'a> {
    tree: &'a Tree,
    home: PathBuf,
    config: PathBuf,
}

impl<'a> Apt<'a> {
    fn new(home: PathBuf, tree: &'a Tree) -> Result<Self> {
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(home.join(folder)).doing(|| format!("create {}", home.display()))?;
        }
        // An empty package database: to this apt nothing is installed, so a closure is whole on every machine alike.
        write(&home.join("status"), "")?;
        let config = home.join("apt.conf");
        let at = home.display();
        // The hooks that are cleared would clean the machine's own cache, or tell its desktop of an update.
        let mut text = format!(
            "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n\
             Dir::State \"{at}\";\nDir::State::Lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
             Dir::Cache \"{at}\";\nDir::Cache::Archives \"{at}/archives\";\n\
             APT::Sandbox::User \"\";\nAPT::Install-Recommends \"false\";\nAPT::Update::Error-Mode \"any\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"1\";\nAcquire::http::Timeout \"20\";\n\
             Acquire::https::Timeout \"20\";\n"
        );
        let suites = match tree.suite {
            Suite::Machine => Vec::new(),
            Suite::Other(suite) => vec![suite.to_owned()],
            Suite::Backports(release) => vec![release.to_owned(), format!("{release}-backports")],
        };
        if let Some(last) = suites.last() {
            let (list, mirror) = (home.join("sources.list"), mirror(last)?);
            write(&list, &suites.iter().map(|suite| format!("deb {mirror} {suite} main\n")).collect::<String>())?;
            text += &format!("Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\n", list.display());
            // without it backports are taken only for what is nowhere else
            text += &format!("APT::Default-Release \"{last}\";\n");
        }
        write(&config, &text)?;
        Ok(Self { tree, home, config })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--config-file").arg(&self.config).env("LC_ALL", "C");
        command
    }

    /// Downloads the tree's packages; apt checks them against the signed lists. Returns the `.deb` files.
    fn download(&self) -> Result<Vec<PathBuf>> {
        let archives = self.home.join("archives");
        self.or_offline(self.command("apt-get").args(["update", "--quiet"]))?;
        match self.tree.closure {
            Closure::Everything => {
                let mut install = self.command("apt-get");
                install.args(["install", "--download-only", "--yes", "--quiet"]).args(self.tree.packages);
                self.or_offline(&mut install)?;
            }
            Closure::Behind(prefix) => {
                let mut show = self.command("apt-cache");
                show.args(["depends", "--important"]).args(self.tree.packages);
                let depends = self.or_offline(&mut show)?;
                let names = concrete(&depends, prefix);
                if names.is_empty() {
                    let (missing, detail) = (format!("{prefix}*"), depends);
                    return Err(Error::Offline { missing, detail });
                }
                self.or_offline(
                    self.command("apt-get").args(["download", "--quiet"]).args(names).current_dir(&archives),
                )?;
            }
        }
        let mut debs = Vec::new();
        for entry in fs::read_dir(&archives).doing(|| format!("list {}", archives.display()))? {
            let path = entry.doing(|| format!("list {}", archives.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                debs.push(path);
            }
        }
        debs.sort();
        Ok(debs)
    }

    /// Runs apt; whatever stops it, the cause is that the packages cannot be had.
    fn or_offline(&self, command: &mut Command) -> Result<String> {
        process::run(command).map_err(|error| match error {
            Error::Program { stderr, .. } => Error::Offline { missing: self.tree.packages.join(", "), detail: stderr },
            other => other,
        })
    }
}

/// The packages with this prefix among what `apt-cache depends` prints.
fn concrete<'a>(depends: &'a str, prefix: &str) -> Vec<&'a str> {
    let named = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    named.filter(|name| name.starts_with(prefix)).collect()
}

/// The mirror that the machine takes its main suite from, as the start of a line in `sources.list`.
fn mirror(suite: &str) -> Result<String> {
    let mut list = Command::new("apt-get");
    list.args(["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"]).env("LC_ALL", "C");
    let targets = process::run(&mut list)?;
    choose_mirror(&targets).map(str::to_owned).ok_or_else(|| Error::Offline {
        missing: format!("suite {suite}"),
        detail: "apt has no source on this machine whose suite could be changed".to_owned(),
    })
}

/// Among lines of address, suite and component: the address of a distribution's main suite, which has no dash.
fn choose_mirror(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (address, suite, component) = (words.next()?, words.next()?, words.next()?);
        (component == "main" && !suite.contains('-')).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_package_points_at_a_concrete_one() {
        let depends = "linux-image-amd64\n  Depends: linux-image-6.1.0-9-amd64\n  Depends: other\n";
        assert_eq!(concrete(depends, "linux-image-6."), ["linux-image-6.1.0-9-amd64"]);
    }

    #[test]
    fn a_tree_is_fetched_anew_when_it_was_made_for_other_packages_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let tree =
            |packages| Tree { name: "t", suite: Suite::Machine, packages, closure: Closure::Everything, recipe: "" };
        write(&root.join(WANTED), &tree(&["a", "b"]).wanted()).unwrap();
        let sums = process::run(Command::new("sha256sum").arg(WANTED).current_dir(root)).unwrap();
        assert!(!is_whole(root, &tree(&["a", "b"])), "it was never finished");
        write(&root.join(STAMP), &sums).unwrap();
        assert!(is_whole(root, &tree(&["a", "b"])));
        assert!(!is_whole(root, &tree(&["a", "b", "c"])));
        write(&root.join(STAMP), &sums.replace(|c: char| c.is_ascii_digit(), "f")).unwrap();
        assert!(!is_whole(root, &tree(&["a", "b"])), "a hash is wrong");
    }

    #[test]
    fn the_main_suite_gives_the_mirror() {
        let targets = "m://a/sec/ stable-security main\nm://a/deb/ stable contrib\nm://a/deb/ stable main\n";
        assert_eq!(choose_mirror(targets), Some("m://a/deb/"));
        assert_eq!(choose_mirror(""), None);
    }
}
