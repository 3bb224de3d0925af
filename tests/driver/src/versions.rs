//! Which versions of `transmit` and `poll` a test calls.

use udrv_driver::{NetDriver, Poll, Transmit};

use crate::{Chip, Fake};

/// False: the first version; true: the alternate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of `transmit`.
    pub alternate_transmit: bool,
    /// Of `poll`.
    pub alternate_poll: bool,
}

/// The alternate of both.
pub const ALTERNATE: Versions = Versions { alternate_transmit: true, alternate_poll: true };

impl Versions {
    /// Every combination.
    pub const ALL: [Versions; 4] = [
        Versions { alternate_transmit: false, alternate_poll: false },
        Versions { alternate_transmit: false, alternate_poll: true },
        Versions { alternate_transmit: true, alternate_poll: false },
        ALTERNATE,
    ];

    /// The function.
    ///
    /// # Panics
    /// If the driver has no such version.
    #[must_use]
    pub fn transmit<D: NetDriver>(self) -> Transmit<D::State> {
        if self.alternate_transmit { D::ALTERNATES.transmit.expect("a second transmit") } else { D::transmit }
    }

    /// The function.
    ///
    /// # Panics
    /// If the driver has no such version.
    #[must_use]
    pub fn poll<D: NetDriver>(self) -> Poll<D::State> {
        if self.alternate_poll { D::ALTERNATES.poll.expect("a second poll") } else { D::poll }
    }
}

fn each<C: Chip>(versions: impl IntoIterator<Item = Versions>, test: impl Fn(Fake<C>)) {
    for versions in versions {
        // shown when the test fails
        println!("{versions:?}");
        test(Fake::opened_with(versions));
    }
}

/// Runs `test` with an open card for every combination of versions.
pub fn with_all<C: Chip>(test: impl Fn(Fake<C>)) {
    each(Versions::ALL, test);
}

/// The same for tests that fill several descriptors, which only the first `transmit` does.
pub fn with_both_polls<C: Chip>(test: impl Fn(Fake<C>)) {
    each(Versions::ALL.into_iter().filter(|versions| !versions.alternate_transmit), test);
}
