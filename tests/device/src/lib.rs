//! What the tests of devices share: a driver on a model between a host and a wire, and frames that can be judged.
//!
//! - [`rig`]: a device that runs on a thread of its own, as in udrvd ([`rig::Rig`]), or that the test turns by hand
//!   ([`rig::Hand`]);
//! - [`usb_rig`]: the same with the Pegasus, and its traffic; [`running`]: what both have on the thread;
//! - [`sound_rig`]: the ENS1371, an application and a tape;
//! - [`frames`]: numbered frames, and the judge that finds bad, missing and repeated ones;
//! - [`subject`]: the drivers that are tested, each with the model of its chip, and what a test must know of both;
//! - [`traffic`]: such frames both ways through a rig; [`streams`]: through a hand;
//! - [`spy`]: the card with a back door, so that a test can look at registers without the driver;
//! - [`input_rig`]: the driver of PS/2 mice, a hand on the model and a screen;
//! - [`screen`]: what an application makes of an input device; [`mod@pointer`], such a device's driver that does wrong by habit;
//! - [`host`]: the host's end of the endpoint; [`kept`]: what outlives a process that dies;
//! - [`bare`]: a card of plain registers for drivers that are only tests, and [`wayward`], one of those.
//!
//! ```
//! use udrv_tests::frames::{Judge, Way};
//!
//! let mut judge = Judge::new(Way::Up);
//! assert_eq!(judge.take(&Way::Up.frame(0)), Ok(0));
//! assert!(judge.take(&Way::Up.frame(0)).unwrap_err().contains("again"));
//! ```
#![forbid(unsafe_code)]

pub mod bare;
pub mod frames;
pub mod host;
pub mod input_rig;
pub mod kept;
pub mod pointer;
pub mod rig;
pub mod running;
pub mod screen;
pub mod sound_rig;
pub mod spy;
pub mod streams;
pub mod subject;
pub mod traffic;
pub mod usb_rig;
pub mod wayward;

use std::time::{Duration, Instant};

/// How long anything in these tests may take before it counts as hung. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until `ready`, and panics with `what` when that takes longer than [`PATIENCE`].
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_micros(200)); // between two looks
    }
}
