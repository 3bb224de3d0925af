//! Which versions of `transmit` and `poll` a test calls.

use e1000::{E1000, State};
use udrv_driver::{NetDriver, Poll, Transmit};

use crate::fake::Fake;

/// False: the first version; true: the alternate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Versions {
    pub(crate) alternate_transmit: bool,
    pub(crate) alternate_poll: bool,
}

impl Versions {
    /// Every combination.
    pub(crate) const ALL: [Versions; 4] = [
        Versions { alternate_transmit: false, alternate_poll: false },
        Versions { alternate_transmit: false, alternate_poll: true },
        Versions { alternate_transmit: true, alternate_poll: false },
        Versions { alternate_transmit: true, alternate_poll: true },
    ];

    pub(crate) fn transmit(self) -> Transmit<State> {
        if self.alternate_transmit { E1000::ALTERNATES.transmit.unwrap() } else { E1000::transmit }
    }

    pub(crate) fn poll(self) -> Poll<State> {
        if self.alternate_poll { E1000::ALTERNATES.poll.unwrap() } else { E1000::poll }
    }
}

fn each(versions: impl IntoIterator<Item = Versions>, test: impl Fn(Fake)) {
    for versions in versions {
        // shown when the test fails
        println!("{versions:?}");
        let mut fake = Fake::opened();
        fake.versions = versions;
        test(fake);
    }
}

/// Runs `test` with an open card for every combination of versions.
pub(crate) fn with_all(test: impl Fn(Fake)) {
    each(Versions::ALL, test);
}

/// The same for tests that fill several descriptors, which only the first `transmit` does.
pub(crate) fn with_both_polls(test: impl Fn(Fake)) {
    each(Versions::ALL.into_iter().filter(|versions| !versions.alternate_transmit), test);
}
