//! The packets: little-endian, without gaps.

use udrv_bus::Setup;

use crate::SessionError;

/// Packet types.
pub(super) mod kind {
    pub(crate) const HELLO: u32 = 0;
    pub(crate) const DEVICE_CONNECT: u32 = 1;
    pub(crate) const DEVICE_DISCONNECT: u32 = 2;
    pub(crate) const RESET: u32 = 3;
    pub(crate) const INTERFACE_INFO: u32 = 4;
    pub(crate) const EP_INFO: u32 = 5;
    pub(crate) const SET_CONFIGURATION: u32 = 6;
    pub(crate) const GET_CONFIGURATION: u32 = 7;
    pub(crate) const CONFIGURATION_STATUS: u32 = 8;
    pub(crate) const SET_ALT_SETTING: u32 = 9;
    pub(crate) const GET_ALT_SETTING: u32 = 10;
    pub(crate) const ALT_SETTING_STATUS: u32 = 11;
    pub(crate) const START_ISO_STREAM: u32 = 12;
    pub(crate) const STOP_ISO_STREAM: u32 = 13;
    pub(crate) const ISO_STREAM_STATUS: u32 = 14;
    pub(crate) const START_INTERRUPT_RECEIVING: u32 = 15;
    pub(crate) const STOP_INTERRUPT_RECEIVING: u32 = 16;
    pub(crate) const INTERRUPT_RECEIVING_STATUS: u32 = 17;
    pub(crate) const CANCEL_DATA_PACKET: u32 = 21;
    pub(crate) const FILTER_REJECT: u32 = 22;
    pub(crate) const FILTER_FILTER: u32 = 23;
    pub(crate) const DEVICE_DISCONNECT_ACK: u32 = 24;
    pub(crate) const CONTROL_PACKET: u32 = 100;
    pub(crate) const BULK_PACKET: u32 = 101;
    pub(crate) const INTERRUPT_PACKET: u32 = 103;
}

/// The status byte. That of what comes from the client means nothing, and is not looked at.
pub(super) mod status {
    use udrv_bus::{BusError, TransferStatus};

    use super::super::Trouble;

    pub(crate) const SUCCESS: u8 = 0;
    pub(crate) const CANCELLED: u8 = 1;
    pub(crate) const INVALID: u8 = 2;
    pub(crate) const IO_ERROR: u8 = 3;
    pub(crate) const STALL: u8 = 4;
    pub(crate) const TIMEOUT: u8 = 5;
    pub(crate) const BABBLE: u8 = 6;

    /// What an error is called, if it is not the end of the device.
    pub(crate) fn of(error: &BusError) -> Result<u8, Trouble> {
        Ok(match error {
            BusError::Gone { .. } => return Err(Trouble::Gone),
            BusError::Stall { .. } => STALL,
            BusError::Timeout { .. } => TIMEOUT,
            BusError::Unsupported(_) => INVALID,
            _ => IO_ERROR,
        })
    }

    pub(crate) const fn ended(status: TransferStatus) -> u8 {
        match status {
            TransferStatus::Done => SUCCESS,
            TransferStatus::Stalled => STALL,
            TransferStatus::Overflow => BABBLE,
            TransferStatus::Cancelled => CANCELLED,
            TransferStatus::Gone | TransferStatus::Failed => IO_ERROR,
        }
    }
}

/// Capabilities, as bits of the first word.
mod capability {
    pub(super) const CONNECT_RELEASE: u32 = 1 << 1;
    pub(super) const MAX_PACKET: u32 = 1 << 4;
    pub(super) const LONG_IDS: u32 = 1 << 5;
    pub(super) const LONG_BULK: u32 = 1 << 6;
    pub(super) const OURS: u32 = CONNECT_RELEASE | MAX_PACKET | LONG_IDS | LONG_BULK;
}

/// Bytes of the version in a hello.
const VERSION: usize = 64;
/// Bytes of the head of a hello: its id always is of 32 bits.
const HELLO_HEAD: usize = 12;
/// Longest hello that is read: 16 words of capabilities.
const LONGEST_HELLO: usize = VERSION + 64;
/// Longest packet that is read, bytes after its head.
const MOST: usize = (1 << 20) + 16;

/// What both sides can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    /// `device_connect` has the device's release.
    pub(super) release: bool,
    /// `ep_info` has the sizes of packets.
    pub(super) max_packet: bool,
    /// Ids have 64 bits.
    long_ids: bool,
    /// Lengths of bulk packets have 32 bits.
    pub(super) long_bulk: bool,
}

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u32,
    /// Bytes that follow.
    pub(super) length: usize,
    pub(super) id: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// Our hello, with its head.
pub(super) fn hello() -> Vec<u8> {
    let mut version = [0; VERSION];
    let name = concat!("udrv model-serve-usb ", env!("CARGO_PKG_VERSION"));
    version[..name.len()].copy_from_slice(name.as_bytes());
    let length = (VERSION + 4) as u32;
    let head = [kind::HELLO, length, 0].map(u32::to_le_bytes).concat();
    [&head[..], &version, &capability::OURS.to_le_bytes()].concat()
}

/// The client's hello, if it has come whole: what both can do, and its bytes.
pub(super) fn read_hello(bytes: &[u8]) -> Result<Option<(Framing, usize)>, SessionError> {
    let Some(head) = bytes.get(..HELLO_HEAD) else { return Ok(None) };
    let (kind, length) = (u32_at(head, 0), u32_at(head, 4) as usize);
    if kind != kind::HELLO || !(VERSION..=LONGEST_HELLO).contains(&length) || !length.is_multiple_of(4) {
        return Err(SessionError::malformed("it begins with something else than a hello"));
    }
    let Some(body) = bytes.get(HELLO_HEAD..HELLO_HEAD + length) else { return Ok(None) };
    let theirs = if length > VERSION { u32_at(body, VERSION) } else { 0 };
    let has = |capability| theirs & capability::OURS & capability != 0;
    let framing = Framing {
        release: has(capability::CONNECT_RELEASE),
        max_packet: has(capability::MAX_PACKET),
        long_ids: has(capability::LONG_IDS),
        long_bulk: has(capability::LONG_BULK),
    };
    Ok(Some((framing, HELLO_HEAD + length)))
}

impl Framing {
    pub(super) fn head(self, Head { kind, length, id }: Head) -> Vec<u8> {
        let mut bytes = [kind, length as u32].map(u32::to_le_bytes).concat();
        bytes.extend_from_slice(&id.to_le_bytes()[..if self.long_ids { 8 } else { 4 }]);
        bytes
    }

    /// The next head, if it has come whole, and its bytes.
    pub(super) fn read_head(self, bytes: &[u8]) -> Result<Option<(Head, usize)>, SessionError> {
        let size = if self.long_ids { 16 } else { 12 };
        let Some(head) = bytes.get(..size) else { return Ok(None) };
        let high = if self.long_ids { u64::from(u32_at(head, 12)) << 32 } else { 0 };
        let (kind, length, id) = (u32_at(head, 0), u32_at(head, 4) as usize, high | u64::from(u32_at(head, 8)));
        if length > MOST {
            let why = format!("{length} bytes in a packet of type {kind}: at most {MOST} are read");
            return Err(SessionError::malformed(why));
        }
        Ok(Some((Head { kind, length, id }, size)))
    }
}

fn too_short(what: &str) -> SessionError {
    SessionError::malformed(format!("too few bytes for the head of a packet: {what}"))
}

/// Whether what follows the head is what it says.
fn check(what: &str, is_in: bool, length: usize, data: &[u8]) -> Result<(), SessionError> {
    let expected = if is_in { 0 } else { length };
    if data.len() == expected {
        return Ok(());
    }
    Err(SessionError::malformed(format!("{} bytes of data, not {expected}, in a packet: {what}", data.len())))
}

/// A control packet's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) endpoint: u8,
    pub(super) status: u8,
    pub(super) setup: Setup,
    pub(super) length: u16,
}

impl Control {
    pub(super) fn read(body: &[u8]) -> Result<(Control, &[u8]), SessionError> {
        let (head, data) = body.split_at_checked(10).ok_or_else(|| too_short("control"))?;
        let [endpoint, request, request_type, status, ..] = *head else { return Err(too_short("control")) };
        let setup = Setup { request_type, request, value: u16_at(head, 4), index: u16_at(head, 6) };
        let length = u16_at(head, 8);
        check("control", request_type & 0x80 != 0, length.into(), data)?;
        Ok((Control { endpoint, status, setup, length }, data))
    }

    pub(super) fn bytes(&self) -> [u8; 10] {
        let Setup { request_type, request, value, index } = self.setup;
        let [[v0, v1], [i0, i1], [l0, l1]] = [value, index, self.length].map(u16::to_le_bytes);
        [self.endpoint, request, request_type, self.status, v0, v1, i0, i1, l0, l1]
    }
}

/// A bulk packet's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulk {
    pub(super) endpoint: u8,
    pub(super) status: u8,
    pub(super) length: usize,
    pub(super) stream: u32,
}

impl Bulk {
    pub(super) fn read(body: &[u8], long: bool) -> Result<(Bulk, &[u8]), SessionError> {
        let (head, data) = body.split_at_checked(if long { 10 } else { 8 }).ok_or_else(|| too_short("bulk"))?;
        let high = if long { usize::from(u16_at(head, 8)) << 16 } else { 0 };
        let (endpoint, length) = (head[0], high | usize::from(u16_at(head, 2)));
        if length > MOST {
            return Err(SessionError::malformed(format!("a transfer of {length} bytes: at most {MOST} are served")));
        }
        check("bulk", endpoint & 0x80 != 0, length, data)?;
        Ok((Bulk { endpoint, status: head[1], length, stream: u32_at(head, 4) }, data))
    }

    pub(super) fn bytes(&self, long: bool) -> Vec<u8> {
        let length = (self.length as u32).to_le_bytes();
        let mut bytes = vec![self.endpoint, self.status, length[0], length[1]];
        bytes.extend(self.stream.to_le_bytes());
        if long {
            bytes.extend(&length[2..]);
        }
        bytes
    }
}

/// An interrupt packet's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interrupt {
    pub(super) endpoint: u8,
    pub(super) status: u8,
    pub(super) length: u16,
}

impl Interrupt {
    pub(super) fn read(body: &[u8]) -> Result<(Interrupt, &[u8]), SessionError> {
        let (head, data) = body.split_at_checked(4).ok_or_else(|| too_short("interrupt"))?;
        let (endpoint, length) = (head[0], u16_at(head, 2));
        check("interrupt", endpoint & 0x80 != 0, length.into(), data)?;
        Ok((Interrupt { endpoint, status: head[1], length }, data))
    }

    pub(super) fn bytes(&self) -> [u8; 4] {
        let [low, high] = self.length.to_le_bytes();
        [self.endpoint, self.status, low, high]
    }
}
