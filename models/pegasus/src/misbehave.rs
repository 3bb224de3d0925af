//! How an adapter fails: what tests switch on, live, through [`crate::PegasusHandle::misbehave`].
//!
//! Everything is off by default. Whoever changes it changes it under the adapter's lock, so it takes effect between two
//! transfers. A number of something that is to go wrong counts down with each that does.

use std::ops::RangeInclusive;

use model_wire::Rng;
use udrv_bus::EndpointKind;

/// What is wrong with the descriptors. A device that is open already is asked again at the next reset or opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BadDescriptors {
    /// This endpoint is not there: neither described nor served.
    pub missing: Option<u8>,
    /// This endpoint has another `wMaxPacketSize`. It is only said so.
    pub max_packet: Option<(u8, u16)>,
    /// This endpoint is of another kind. It is only said so.
    pub kind: Option<(u8, EndpointKind)>,
    /// `bInterfaceClass`.
    pub class: Option<u8>,
    /// `idProduct`.
    pub product: Option<u16>,
    /// The configuration descriptor ends after so many bytes, and yet says that it has them all.
    pub cut: Option<usize>,
}

/// Registers that read as nonsense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Seed of the nonsense.
    pub seed: u64,
    /// Registers that lie.
    pub registers: Vec<RangeInclusive<u8>>,
    /// One read of such a register in this many lies; 1 is every one, 0 none.
    pub one_in: u32,
}

/// What is written over the status that follows a received frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadTrailer {
    /// Length word instead of the true one. The frame itself stays as it is.
    pub length: Option<u16>,
    /// Status byte instead of the true one.
    pub status: Option<u8>,
}

/// Which failures are on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misbehave {
    /// It leaves at the n-th transfer from now, which ends as gone; 1 is the next one. Control transfers and the
    /// submission of others count.
    pub unplug_at: u32,
    /// Wrong descriptors.
    pub descriptors: BadDescriptors,
    /// Control transfers from the device bring no more than this many bytes.
    pub control_short: Option<usize>,
    /// So many control transfers go well before `control_stalls` and `control_timeouts` count.
    pub control_spared: u32,
    /// So many control transfers are answered with a stall, and nothing is done.
    pub control_stalls: u32,
    /// So many control transfers are not answered: they time out, at once, and nothing is done.
    pub control_timeouts: u32,
    /// Reads of some registers are random.
    pub garbage: Option<Garbage>,
    /// Endpoints that halt at each transfer: clearing the halt helps only until the next one.
    pub halts: Vec<u8>,
    /// So many transfers of endpoints other than 0 go well before `babbles` and `failures` count.
    pub spared: u32,
    /// So many IN transfers end with more bytes than there was room for.
    pub babbles: u32,
    /// So many transfers of endpoints other than 0 fail on the bus; nothing is transferred.
    pub failures: u32,
    /// IN transfers of the bulk endpoint bring no more than this many bytes; the rest of the frame is lost.
    pub rx_cut: Option<usize>,
    /// Received frames get a wrong status.
    pub rx_trailer: Option<BadTrailer>,
    /// OUT transfers are never taken.
    pub tx_hangs: bool,
    /// Transfers from the bulk IN endpoint are never answered.
    pub rx_hangs: bool,
    /// Endpoint 3 answers each poll, news or not: with a driver that asks again at once, a storm.
    pub interrupt_storm: bool,
    /// Endpoint 3 never answers.
    pub interrupt_lost: bool,
    /// Packets of endpoint 3 have so many bytes only.
    pub interrupt_short: Option<usize>,
    /// The reset of the MAC does not end.
    pub reset_hangs: bool,
    /// No access of the EEPROM is ever done.
    pub eprom_silent: bool,
    /// No access of the PHY is ever done.
    pub phy_silent: bool,
    /// There is no PHY: accesses are done, and read all ones.
    pub phy_absent: bool,
    /// The link fails, and is negotiated anew, at each n-th register access; 0: it does not.
    pub link_flaps: u32,
}

impl Misbehave {
    /// An adapter that does nothing wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// The switches, and the dice for the random one.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) on: Misbehave,
    rng: Rng,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { on: Misbehave::default(), rng: Rng::new(0) }
    }
}

impl Trouble {
    /// Changes what is on. A new seed of garbage starts its dice anew.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Misbehave)) {
        let before = self.on.garbage.as_ref().map(|g| g.seed);
        change(&mut self.on);
        if let Some(garbage) = &self.on.garbage
            && before != Some(garbage.seed)
        {
            self.rng = Rng::new(garbage.seed);
        }
    }

    /// A random byte for a read of register `at`, if it shall lie.
    pub(crate) fn garbage(&mut self, at: u8) -> Option<u8> {
        let garbage = self.on.garbage.as_ref()?;
        let lies = garbage.one_in != 0
            && garbage.registers.iter().any(|range| range.contains(&at))
            && self.rng.below(garbage.one_in.into()) == 0;
        lies.then(|| self.rng.next_u64() as u8)
    }
}

/// One of those that are left, if any is.
pub(crate) fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}
