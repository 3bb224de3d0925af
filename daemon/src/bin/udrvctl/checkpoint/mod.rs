//! `checkpoint`.

mod file;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use udrv::checkpoint::Checkpoint;
use udrv_daemon::protocol::{Request, Response};

use crate::ask::{Show, ask_and_show, ask_device};
use crate::exit::Failure;
use crate::output::{print, print_json, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Write what a device is set to into a file: address, filters, offloads; controls, rates; and its policy.
    Save {
        /// The device.
        device: String,
        /// The file, JSON. It must not exist.
        file: PathBuf,
        /// Replace a file that exists.
        #[arg(long)]
        force: bool,
    },
    /// Set a device as a file says: all of it or nothing, and what is so already is left alone.
    Restore {
        /// The device. Its driver must be that of the one that was saved.
        device: String,
        /// The file.
        file: PathBuf,
        /// Change nothing, and show what would be.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look through a file and show what it says, without a device.
    Show {
        /// The file.
        file: PathBuf,
    },
}

impl Action {
    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        match self {
            Action::Save { device, file, force } => {
                // before anybody is asked
                file::may_write(file, *force)?;
                let Response::Checkpoint { checkpoint } = ask_device(Some(device), Request::Checkpoint)? else {
                    return Err(Failure::failed(format!("{device}: another answer than was asked for")));
                };
                file::write(file, checkpoint.to_text().as_bytes(), *force)?;
                if json {
                    return print_json(&json!({ "file": file.display().to_string(), "checkpoint": checkpoint }));
                }
                let Checkpoint { driver, chip, .. } = &*checkpoint;
                print(&format!("{}: settings of {device} (driver {driver}, chip {chip})\n", file.display()))
            }
            Action::Restore { device, file, dry_run } => {
                let checkpoint = Box::new(file::read(file)?);
                let request = Request::CheckpointRestore { checkpoint, dry_run: *dry_run };
                ask_and_show(Some(device), request, Show { json, long: false })
            }
            Action::Show { file } => {
                let checkpoint = file::read(file)?;
                if json {
                    return print_json(&checkpoint);
                }
                let heading = ["field", "value"].map(str::to_owned);
                let rows = checkpoint.fields().into_iter().map(|(field, value)| [field, value]);
                print(&table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
            }
        }
    }
}
