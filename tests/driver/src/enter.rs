//! One call of any entry point.

use udrv_driver::{Cx, Entry, Error, MacAddress, NetDriver, RxMode, Settings, TxFrame};

use crate::Versions;

/// What the entry points are called with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments {
    pub(crate) versions: Versions,
    pub(crate) frame: TxFrame,
    pub(crate) budget: u32,
    pub(crate) mac: MacAddress,
    pub(crate) mode: RxMode,
    pub(crate) settings: Settings,
}

/// Calls `entry`; gives what `poll` gives, else 0.
pub(crate) fn enter<D: NetDriver>(cx: &mut Cx<'_, D::State>, entry: Entry, with: Arguments) -> Result<u32, Error> {
    match entry {
        Entry::Probe => D::probe(cx).map(drop),
        Entry::Open => D::open(cx),
        Entry::Stop => D::stop(cx),
        Entry::Transmit => with.versions.transmit::<D>()(cx, with.frame),
        Entry::Interrupt => D::interrupt(cx).map(drop),
        Entry::Poll => return with.versions.poll::<D>()(cx, with.budget),
        Entry::Link => D::link(cx).map(drop),
        Entry::SetMac => D::set_mac(cx, with.mac),
        Entry::SetRxMode => D::set_rx_mode(cx, with.mode),
        Entry::Configure => D::configure(cx, with.settings),
        Entry::GetRingparam => D::get_ringparam(cx).map(drop),
        Entry::GetStats => D::get_stats(cx).map(drop),
        Entry::TxTimeout => D::tx_timeout(cx),
        Entry::Quiesce => D::quiesce(cx),
        Entry::Restore => D::restore(cx),
        other => panic!("{other} is no entry point of a network driver"),
    }
    .map(|()| 0)
}
