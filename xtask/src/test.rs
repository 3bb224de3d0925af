//! `cargo xtask test`: everything that can be tested on this machine, in one go.
//!
//! First the checks, then the workspace's own tests, then what needs a QEMU guest: protection keys (which the guest's
//! processor has even where this one has none) and cards under VFIO. The list below is all there is.

pub(crate) mod suite;

use std::process::ExitCode;

use crate::{
    campaign,
    cargo::cargo,
    check, demo, eval,
    guest::{Kernel, Which, adopt, aloop, hand_back, input, nic, oracle, pair, sound, systemd, tool},
    steps::{self, Done, Failure, Step, program},
    stress,
};

// ------------------------------------------------------------------------------------------------------------------
// The steps, in order: a name for `--only`, and a function. Add scenarios at the end of their part.
// ------------------------------------------------------------------------------------------------------------------
const STEPS: &[Step] = &[
    // on this machine
    Step::host("workspace", || program(&mut cargo(["test", "--workspace", "--quiet", "--no-fail-fast"]))),
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
    Step::host("demo-psmouse", || demo::step("psmouse")),
    // the quick form, whose figures nobody judges
    Step::host("eval", eval::step),
    Step::long_host("planted", campaign::step),
    // in the guest
    Step::guest("engine-guest-6.1", || suite::in_guest(Kernel::Debian61, &suite::ENGINE)),
    Step::guest("engine-guest-backports", || suite::in_guest(Kernel::Backports, &suite::ENGINE_BACKPORTS)),
    Step::guest("device-guest", || suite::in_guest(Kernel::Debian61, &suite::DEVICE)),
    // a line for each card of guest/cards.rs that udrvd drives
    Step::guest("rtl8139", || nic::step("rtl8139", Which::Usual)),
    Step::guest("e1000", || nic::step("e1000", Which::Usual)),
    Step::long("e1000-others", || nic::step("e1000", Which::Others)),
    Step::guest("r8169", || nic::step("r8169", Which::Usual)),
    Step::guest("pegasus", || nic::step("pegasus", Which::Usual)),
    Step::long("pegasus-others", || nic::step("pegasus", Which::Others)),
    Step::guest("udrvctl", tool::step),
    Step::guest("hand-back", hand_back::step),
    Step::long("adopt-e1000", || adopt::step("e1000")),
    Step::long("adopt-rtl8139", || adopt::step("rtl8139")),
    Step::long("pair-e1000", || pair::step("e1000")),
    Step::long("pair-rtl8139", || pair::step("rtl8139")),
    Step::guest("aloop", aloop::step),
    Step::guest("ens1371", sound::step),
    // the package under a real systemd
    Step::long("systemd", || systemd::step(systemd::Part::Cards)),
    Step::long("systemd-devices", || systemd::step(systemd::Part::Devices)),
    Step::guest("psmouse", input::step),
    // our models under Linux's own drivers
    Step::guest("oracle", || oracle::step(Which::Usual)),
    Step::long("oracle-others", || oracle::step(Which::Others)),
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
    /// Run every device of every family in a guest, not only the usual ones.
    #[arg(long, conflicts_with_all = ["only", "skip_guest"])]
    all: bool,
}

/// Runs the tests. The last line is `N passed, N failed`; the exit code is not 0 if any step failed.
pub(crate) fn main(args: &Args) -> ExitCode {
    let all = check::STEPS.into_iter().chain(STEPS.iter().copied());
    let no_guest: fn() -> Result<Done, Failure> = || Ok(Done::Skipped("--skip-guest was given".to_owned()));
    let not_usual: fn() -> Result<Done, Failure> = || Ok(Done::Skipped("it belongs to --all".to_owned()));
    // what is left out stays in the list, at its end, so that the end of the output says what was not tested
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    for step in all {
        match (args.skip_guest && step.in_guest, step.is_long && !args.all && args.only.is_none()) {
            (true, _) => left_out.push(Step { run: no_guest, ..step }),
            (false, true) => left_out.push(Step { run: not_usual, ..step }),
            (false, false) => chosen.push(step),
        }
    }
    chosen.append(&mut left_out);
    steps::run("cargo xtask test", &chosen, args.only.as_deref())
}
