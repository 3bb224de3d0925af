//! The names of the entry points.

use core::fmt;
use core::str::FromStr;

/// An entry point of a driver. Each class has some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is described at the function of the class trait with its name")]
pub enum Entry {
    Probe,
    Open,
    Stop,
    Transmit,
    Interrupt,
    Poll,
    Link,
    SetMac,
    SetRxMode,
    Configure,
    GetRingparam,
    GetStats,
    TxTimeout,
    Close,
    HwParams,
    Prepare,
    Trigger,
    Pointer,
    GetControl,
    SetControl,
    Enable,
    Disable,
    SetRate,
    SetResolution,
    SetScaling,
    Reconnect,
    Quiesce,
    Restore,
}

impl Entry {
    /// All of them.
    pub const ALL: [Entry; 28] = [
        Entry::Probe,
        Entry::Open,
        Entry::Stop,
        Entry::Transmit,
        Entry::Interrupt,
        Entry::Poll,
        Entry::Link,
        Entry::SetMac,
        Entry::SetRxMode,
        Entry::Configure,
        Entry::GetRingparam,
        Entry::GetStats,
        Entry::TxTimeout,
        Entry::Close,
        Entry::HwParams,
        Entry::Prepare,
        Entry::Trigger,
        Entry::Pointer,
        Entry::GetControl,
        Entry::SetControl,
        Entry::Enable,
        Entry::Disable,
        Entry::SetRate,
        Entry::SetResolution,
        Entry::SetScaling,
        Entry::Reconnect,
        Entry::Quiesce,
        Entry::Restore,
    ];

    /// Those of a network driver.
    pub const NET: [Entry; 15] = [
        Entry::Probe,
        Entry::Open,
        Entry::Stop,
        Entry::Transmit,
        Entry::Interrupt,
        Entry::Poll,
        Entry::Link,
        Entry::SetMac,
        Entry::SetRxMode,
        Entry::Configure,
        Entry::GetRingparam,
        Entry::GetStats,
        Entry::TxTimeout,
        Entry::Quiesce,
        Entry::Restore,
    ];

    /// Those of a sound driver.
    pub const SOUND: [Entry; 12] = [
        Entry::Probe,
        Entry::Open,
        Entry::Close,
        Entry::HwParams,
        Entry::Prepare,
        Entry::Trigger,
        Entry::Pointer,
        Entry::Interrupt,
        Entry::GetControl,
        Entry::SetControl,
        Entry::Quiesce,
        Entry::Restore,
    ];

    /// Those of an input driver.
    pub const INPUT: [Entry; 11] = [
        Entry::Probe,
        Entry::Enable,
        Entry::Disable,
        Entry::Interrupt,
        Entry::Poll,
        Entry::SetRate,
        Entry::SetResolution,
        Entry::SetScaling,
        Entry::Reconnect,
        Entry::Quiesce,
        Entry::Restore,
    ];

    /// The names of [`Entry::ALL`], in that order.
    pub const NAMES: &'static [&'static str] = &{
        let mut names = [""; Entry::ALL.len()];
        let mut i = 0;
        while i < names.len() {
            names[i] = Entry::ALL[i].name();
            i += 1;
        }
        names
    };

    /// As in the source: `set_rx_mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Entry::Probe => "probe",
            Entry::Open => "open",
            Entry::Stop => "stop",
            Entry::Transmit => "transmit",
            Entry::Interrupt => "interrupt",
            Entry::Poll => "poll",
            Entry::Link => "link",
            Entry::SetMac => "set_mac",
            Entry::SetRxMode => "set_rx_mode",
            Entry::Configure => "configure",
            Entry::GetRingparam => "get_ringparam",
            Entry::GetStats => "get_stats",
            Entry::TxTimeout => "tx_timeout",
            Entry::Close => "close",
            Entry::HwParams => "hw_params",
            Entry::Prepare => "prepare",
            Entry::Trigger => "trigger",
            Entry::Pointer => "pointer",
            Entry::GetControl => "get_control",
            Entry::SetControl => "set_control",
            Entry::Enable => "enable",
            Entry::Disable => "disable",
            Entry::SetRate => "set_rate",
            Entry::SetResolution => "set_resolution",
            Entry::SetScaling => "set_scaling",
            Entry::Reconnect => "reconnect",
            Entry::Quiesce => "quiesce",
            Entry::Restore => "restore",
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchEntry;

impl fmt::Display for NoSuchEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such entry point; there are")?;
        Entry::ALL.iter().try_for_each(|e| write!(f, " {e}"))
    }
}

impl core::error::Error for NoSuchEntry {}

impl FromStr for Entry {
    type Err = NoSuchEntry;
    fn from_str(name: &str) -> Result<Entry, NoSuchEntry> {
        Entry::ALL.into_iter().find(|e| e.name() == name).ok_or(NoSuchEntry)
    }
}
