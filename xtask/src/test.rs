//! `cargo xtask test`: everything that can be tested on this machine, in one go.
//!
//! First the checks, then the workspace's own tests, then what needs a QEMU guest: protection keys (which the guest's
//! processor has even where this one has none) and cards under VFIO. The list below is all there is.

pub(crate) mod suite;

use std::process::ExitCode;

use crate::{
    cargo::cargo,
    check, demo,
    guest::{Kernel, nic, oracle},
    steps::{self, Done, Step, program},
    stress,
};

// ------------------------------------------------------------------------------------------------------------------
// The steps, in order: a name for `--only`, and a function. Add scenarios at the end of their part.
// ------------------------------------------------------------------------------------------------------------------
const STEPS: &[Step] = &[
    // on this machine
    Step::host("workspace", || program(&mut cargo(["test", "--workspace", "--quiet"]))),
    Step::host("engine-rollback-only", || {
        program(cargo(["test", "--package", "fgft", "--quiet"]).env("FGFT_ISOLATION", "rollback-only"))
    }),
    // a model of the engine's watchdog, in fewer orders than `cargo xtask stress` tries
    Step::host("loom", || program(&mut stress::loom(Some(4)))),
    Step::host("demo", || demo::step("rtl8139")),
    Step::host("demo-e1000", || demo::step("e1000")),
    Step::host("demo-r8169", || demo::step("r8169")),
    Step::host("demo-pegasus", || demo::step("pegasus")),
    Step::host("demo-ens1371", || demo::step("ens1371")),
    // in the guest
    Step::guest("engine-guest-6.1", || suite::in_guest(Kernel::Debian61, &suite::ENGINE)),
    Step::guest("engine-guest-backports", || suite::in_guest(Kernel::Backports, &suite::ENGINE_BACKPORTS)),
    Step::guest("device-guest", || suite::in_guest(Kernel::Debian61, &suite::DEVICE)),
    // a line for each card of guest/cards.rs that udrvd drives
    Step::guest("rtl8139", || nic::step("rtl8139")),
    Step::guest("e1000", || nic::step("e1000")),
    Step::guest("r8169", || nic::step("r8169")),
    Step::guest("pegasus", || nic::step("pegasus")),
    // our models under Linux's own drivers
    Step::guest("oracle", oracle::step),
];
// ------------------------------------------------------------------------------------------------------------------

/// The arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only this step.
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
    /// Run only what needs no guest: for machines where QEMU cannot be had, or in a hurry.
    #[arg(long, conflicts_with = "only")]
    skip_guest: bool,
}

/// Runs the tests. The last line is `N passed, N failed`; the exit code is not 0 if any step failed.
pub(crate) fn main(args: &Args) -> ExitCode {
    let all = check::STEPS.into_iter().chain(STEPS.iter().copied());
    let (mut chosen, left_out): (Vec<Step>, Vec<Step>) = all.partition(|step| !(args.skip_guest && step.in_guest));
    // they stay in the list, so that the end of the output says what was not tested
    chosen.extend(
        left_out
            .into_iter()
            .map(|step| Step { run: || Ok(Done::Skipped("--skip-guest was given".to_owned())), ..step }),
    );
    steps::run("cargo xtask test", &chosen, args.only.as_deref())
}
