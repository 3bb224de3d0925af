//! The class of network drivers.

use core::fmt;
use core::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::{DELIVER_CHECKED, Request, Words};
use crate::{Cx, Dma, Driver, Error, Features, Offload, Offloads, Point, Services, Settings};

/// A driver of an Ethernet controller.
pub trait NetDriver: Driver {
    /// What the chip does for the host; nothing by default.
    const OFFLOADS: Offloads = Offloads::NONE;
    /// What the chip can be set to; nothing by default. Where the chips of a family differ, what the best of them can.
    const FEATURES: Features = Features::NONE;
    /// What of it the chips of the family have, see [`Driver::variant`]; all have all by default. The usual settings of all are
    /// the same.
    const VARIANTS: &'static [Features] = &[Self::FEATURES];
    /// Second versions of entry points; none by default.
    const ALTERNATES: Alternates<Self::State> = Alternates::NONE;

    /// What the chip has that `probe` has found.
    #[must_use]
    fn features(state: &Self::State) -> Features {
        Self::VARIANTS[Self::variant(state) as usize]
    }

    /// Finds out what chip it is, resets it, takes memory for the rings. Gives its permanent address, or zeros if it has
    /// none that can be used: then the administrator's is used, or the device is not.
    ///
    /// # Errors
    /// [`Error::NotThisDevice`], or what the device did wrong. As for all entry points below.
    fn probe(cx: &mut Cx<'_, Self::State>) -> Result<MacAddress, Error>;
    /// Starts receiver and transmitter and lets causes interrupt.
    fn open(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// Stops both. Frames in flight are completed as failed.
    fn stop(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
    /// Sends a frame, or says [`Error::Busy`]: then the caller keeps it.
    fn transmit(cx: &mut Cx<'_, Self::State>, frame: TxFrame) -> Result<(), Error>;
    /// Takes note of the causes and acknowledges them. [`Events::NONE`] says that there was none of those that interrupt:
    /// where the device interrupts by messages it is called until it says that.
    fn interrupt(cx: &mut Cx<'_, Self::State>) -> Result<Events, Error>;
    /// Completes sent frames, delivers at most `budget` received ones and says how many.
    fn poll(cx: &mut Cx<'_, Self::State>, budget: u32) -> Result<u32, Error>;
    /// State of the link, from the PHY.
    fn link(cx: &mut Cx<'_, Self::State>) -> Result<Link, Error>;
    /// Changes the station address.
    fn set_mac(cx: &mut Cx<'_, Self::State>, mac: MacAddress) -> Result<(), Error>;
    /// Changes what is received.
    fn set_rx_mode(cx: &mut Cx<'_, Self::State>, mode: RxMode) -> Result<(), Error>;
    /// Changes what [`NetDriver::features`] says that can be changed, before `open` or after it. Frames in flight may be
    /// completed as failed. Before it is called all is as [`Features::usual`] has it, which without features is all that
    /// there is.
    fn configure(cx: &mut Cx<'_, Self::State>, settings: Settings) -> Result<(), Error> {
        cx.point(Point::Start);
        Self::features(cx.state).allow(settings)?;
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(())
    }
    /// Sizes of the rings.
    fn get_ringparam(cx: &mut Cx<'_, Self::State>) -> Result<RingParam, Error>;
    /// Counters since probe.
    fn get_stats(cx: &mut Cx<'_, Self::State>) -> Result<Stats, Error>;
    /// The device has not sent for too long: get it going again. Frames in flight are completed as failed.
    fn tx_timeout(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
}

/// `transmit`, as a value.
pub type Transmit<S> = fn(&mut Cx<'_, S>, TxFrame) -> Result<(), Error>;
/// `poll`, as a value.
pub type Poll<S> = fn(&mut Cx<'_, S>, u32) -> Result<u32, Error>;

/// Second versions of entry points, for when the first is quarantined because it faults again and again: plain and
/// slow, on the same state, and sharing no code with the first (recovery blocks: what shares code shares its faults).
#[derive(Debug, Clone, Copy)]
pub struct Alternates<S: 'static> {
    /// Instead of [`NetDriver::transmit`].
    pub transmit: Option<Transmit<S>>,
    /// Instead of [`NetDriver::poll`].
    pub poll: Option<Poll<S>>,
}

impl<S> Alternates<S> {
    /// None.
    pub const NONE: Alternates<S> = Alternates { transmit: None, poll: None };
}

/// Packet buffers and the way up.
#[derive(Clone, Copy)]
pub struct Buffers<'a> {
    services: &'a dyn Services,
}

impl<'a> Buffers<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> Buffers<'a> {
        Buffers { services }
    }

    /// Keeps the buffer of `frame` beyond this call, until [`Buffers::complete`]. Without it the caller takes it back.
    ///
    /// # Errors
    /// None; a buffer that is not offered to this call, or kept already, is a fault.
    pub fn keep(&self, frame: TxFrame) -> Result<(), Error> {
        self.services.post(Request::Keep, [frame.buffer.0, 0, 0, 0])
    }

    /// Gives a kept buffer back: it was `sent`, or lost.
    ///
    /// # Errors
    /// None; a buffer that the driver does not keep is a fault.
    pub fn complete(&self, buffer: Buffer, sent: bool) -> Result<(), Error> {
        self.services.post(Request::Complete, [buffer.0, u64::from(sent), 0, 0])
    }

    /// Hands the frame of `length` bytes (without CRC) at `offset` of `ring` to the network, when this call commits.
    /// The memory must stay as it is until then.
    ///
    /// # Errors
    /// None; a place outside the ring, or where the frame before it is, a length that no frame has, or more frames than the
    /// budget are faults.
    pub fn deliver(&self, ring: Dma, offset: u32, length: u32) -> Result<(), Error> {
        let words = [ring.0, u64::from(offset), u64::from(length), 0];
        self.services.post(Request::Deliver, words)
    }

    /// As [`Buffers::deliver`], for a frame whose TCP or UDP checksum the chip has found right: nobody looks again.
    ///
    /// # Errors
    /// As there.
    pub fn deliver_checked(&self, ring: Dma, offset: u32, length: u32) -> Result<(), Error> {
        let words = [ring.0, u64::from(offset), u64::from(length) | DELIVER_CHECKED, 0];
        self.services.post(Request::Deliver, words)
    }
}

/// Handle of a packet buffer for as long as it holds one frame. Plain data: keep it in the state.
///
/// The framework gives no number twice: one that was completed, or was of a call that was aborted, is refused though
/// the same memory holds another frame by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Buffer(pub u64);

impl Buffer {
    /// The handle of nothing.
    pub const NONE: Buffer = Buffer(0);
}

/// A frame to send: in a DMA buffer of the framework, in one piece, padded to the minimum of 60 bytes, without CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TxFrame {
    /// The buffer, for [`Buffers::keep`] and [`Buffers::complete`].
    pub buffer: Buffer,
    /// Bytes, 60 to [`Settings::longest_frame`]; up to 65,553 if it is to be cut into segments.
    pub length: u32,
    /// Where the device sees it; 64-byte aligned.
    pub bus_address: u32,
    /// What is left to the chip.
    pub offload: Offload,
}

/// What `interrupt` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events(pub u32);

impl Events {
    /// Nothing: the interrupt was not this device's.
    pub const NONE: Events = Events(0);
    /// `poll` has work: frames received or sent.
    pub const POLL: Events = Events(1);
    /// The link may have changed.
    pub const LINK: Events = Events(2);
    /// The device wants `restore`: a bus error, for example.
    pub const ERROR: Events = Events(4);

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn has(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for Events {
    type Output = Events;
    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

/// A 48-bit Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// From two registers of 32 bits that hold it from its first byte on; the upper half of the second is something else.
    #[must_use]
    pub const fn from_registers(low: u32, high: u32) -> MacAddress {
        let ([a, b, c, d], [e, f, ..]) = (low.to_le_bytes(), high.to_le_bytes());
        MacAddress([a, b, c, d, e, f])
    }

    /// The two registers; the upper half of the second is 0.
    #[must_use]
    pub const fn to_registers(self) -> (u32, u32) {
        let [a, b, c, d, e, f] = self.0;
        (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, 0, 0]))
    }

    /// One that a station may have: not a group address, not zero.
    #[must_use]
    pub fn is_station(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Text that is no Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnAddress;

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ethernet address: expected six bytes in hexadecimal, as in 52:54:00:12:34:56")
    }
}

impl core::error::Error for NotAnAddress {}

impl FromStr for MacAddress {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<MacAddress, NotAnAddress> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2).ok_or(NotAnAddress)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| NotAnAddress)?;
        }
        if parts.next().is_some() { Err(NotAnAddress) } else { Ok(MacAddress(bytes)) }
    }
}

/// What to receive beside frames for the station's own address and broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RxMode {
    /// Everything on the wire.
    pub promiscuous: bool,
    /// Multicast hash, one bit for each of the 64 values of the top six bits of the address's Ethernet CRC;
    /// all ones for all multicast.
    pub multicast: u64,
}

impl RxMode {
    /// The bit of [`RxMode::multicast`] for `address`.
    #[must_use]
    pub fn multicast_bit(address: MacAddress) -> u64 {
        1 << (ethernet_crc(&address.0) >> 26)
    }
}

/// CRC-32 of IEEE 802.3, most significant bit first, without the final inversion: what address filters hash with.
fn ethernet_crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc, |crc, bit| {
            let carry = (crc >> 31) ^ u32::from(byte >> bit & 1);
            (crc << 1) ^ if carry != 0 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// State of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// There is a partner.
    pub up: bool,
    /// Megabits a second; 0 if down.
    pub speed: u32,
    /// Both directions at once.
    pub full_duplex: bool,
}

/// Sizes of the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingParam {
    /// Receive ring: bytes for a byte ring, else descriptors.
    pub rx: u32,
    /// Transmit slots or descriptors.
    pub tx: u32,
}

/// Counters of the chip and the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Stats {
    /// Frames received with an error (CRC, alignment, length).
    pub rx_errors: u64,
    /// Frames that found no room in the ring or the FIFO.
    pub rx_missed: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Collisions.
    pub collisions: u64,
    /// Times the receiver had to be set up anew after nonsense in the ring.
    pub rx_resets: u64,
    /// Frames received.
    pub rx_frames: u64,
    /// Frames sent.
    pub tx_frames: u64,
}

impl Stats {
    /// Before the first.
    pub const ZERO: Stats =
        Stats { rx_errors: 0, rx_missed: 0, tx_errors: 0, collisions: 0, rx_resets: 0, rx_frames: 0, tx_frames: 0 };
}

impl Words for MacAddress {
    fn to_words(&self) -> [u64; 7] {
        let [a, b, c, d, e, f] = self.0;
        [u64::from_le_bytes([a, b, c, d, e, f, 0, 0]), 0, 0, 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<MacAddress> {
        let [a, b, c, d, e, f, 0, 0] = words[0].to_le_bytes() else { return None };
        Some(MacAddress([a, b, c, d, e, f]))
    }
}

impl Words for Events {
    fn to_words(&self) -> [u64; 7] {
        self.0.to_words()
    }
    fn from_words(words: [u64; 7]) -> Option<Events> {
        u32::from_words(words).filter(|bits| *bits < 8).map(Events)
    }
}

impl Words for Link {
    fn to_words(&self) -> [u64; 7] {
        [u64::from(self.up), u64::from(self.speed), u64::from(self.full_duplex), 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<Link> {
        let [up @ 0..=1, speed, full @ 0..=1, ..] = words else { return None };
        Some(Link { up: up == 1, speed: speed.try_into().ok()?, full_duplex: full == 1 })
    }
}

impl Words for RingParam {
    fn to_words(&self) -> [u64; 7] {
        [u64::from(self.rx), u64::from(self.tx), 0, 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<RingParam> {
        Some(RingParam { rx: words[0].try_into().ok()?, tx: words[1].try_into().ok()? })
    }
}

impl Words for Stats {
    fn to_words(&self) -> [u64; 7] {
        [
            self.rx_errors,
            self.rx_missed,
            self.tx_errors,
            self.collisions,
            self.rx_resets,
            self.rx_frames,
            self.tx_frames,
        ]
    }
    fn from_words(words: [u64; 7]) -> Option<Stats> {
        let [rx_errors, rx_missed, tx_errors, collisions, rx_resets, rx_frames, tx_frames] = words;
        Some(Stats { rx_errors, rx_missed, tx_errors, collisions, rx_resets, rx_frames, tx_frames })
    }
}
