//! `completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Arguments;
use crate::exit::{Exit, Failure};
use crate::output::print;

/// Write a completion script for a shell to standard output: bash, zsh, fish, elvish or powershell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell.
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "udrvctl", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
