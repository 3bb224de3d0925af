//! `man`.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::Arguments;
use crate::exit::{Exit, Failure};
use crate::output::print_json;

/// Write the man pages, udrvctl.1 and one for each command, into a directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory, which must exist.
    directory: PathBuf,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let failed = |error| Failure::failed(format!("{}: {error}", self.directory.display()));
        if !self.directory.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
        clap_mangen::generate_to(Arguments::command(), &self.directory).map_err(failed)?;
        if json {
            print_json(&serde_json::json!({ "directory": self.directory }))?;
        }
        Ok(Exit::Done)
    }
}
