//! `doctor`.

use udrv_daemon::directory;
use udrv_daemon::system::System;
use udrv_daemon::system::address::Address;
use udrv_daemon::system::doctor::{Check, Report, Verdict};

use crate::exit::{Exit, Failure};
use crate::output::{print, print_json};

/// Check this machine and its devices for what udrvd needs; each thing that is missing comes with the command that mends it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only for this device, as `udrvctl list` shows it. Left out: for all that a driver here drives.
    device: Option<Address>,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let report = System::default().doctor(self.device.as_ref(), &directory::of_client());
        let report = report.map_err(|error| Failure::new(Exit::NoDevice, error.to_string()))?;
        match json {
            true => print_json(&report)?,
            false => print(&shown(&report))?,
        }
        Ok(exit(&report))
    }
}

/// A warning is no failure: `udrvctl doctor pci:... && udrvd run pci:...`.
fn exit(report: &Report) -> Exit {
    if report.worst() == Verdict::Failure { Exit::Failed } else { Exit::Done }
}

fn shown(report: &Report) -> String {
    let mut text = String::new();
    let mut device = None;
    for check in &report.checks {
        if check.device != device {
            device.clone_from(&check.device);
            text += &format!("\n{}\n", device.as_deref().unwrap_or("this machine"));
        }
        text += &line(check);
    }
    text
}

fn line(check: &Check) -> String {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failure => "FAILURE",
    };
    let mend = check.mend.as_ref().map(|mend| format!("{:9}mend: {mend}\n", "")).unwrap_or_default();
    format!("{verdict:<9}{}: {}\n{mend}", check.check, check.says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verdict: Verdict, device: Option<&str>) -> Check {
        let mend = (verdict != Verdict::Ok).then(|| "udrvctl bind".to_owned());
        Check { check: "node", device: device.map(str::to_owned), verdict, says: "it is".to_owned(), mend }
    }

    #[test]
    fn only_a_failure_fails() {
        let of = |verdicts: &[Verdict]| exit(&Report { checks: verdicts.iter().map(|v| check(*v, None)).collect() });
        assert_eq!(of(&[Verdict::Ok, Verdict::Warning]), Exit::Done);
        assert_eq!(of(&[Verdict::Warning, Verdict::Failure, Verdict::Ok]), Exit::Failed);
    }

    #[test]
    fn a_check_has_its_line_and_what_mends_it() {
        let checks = vec![check(Verdict::Ok, None), check(Verdict::Failure, Some("pci:0000:00:04.0"))];
        assert_eq!(
            shown(&Report { checks }),
            "ok       node: it is\n\npci:0000:00:04.0\nFAILURE  node: it is\n         mend: udrvctl bind\n"
        );
    }
}
