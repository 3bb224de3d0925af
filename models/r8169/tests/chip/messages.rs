//! MSI: an edge.

use model_r8169::regs::{self, isr, rcr};
use model_r8169::{Config, R8169Model, Variant};
use model_wire::{Station, Wire, WireConfig};
use udrv_bus::{BusError, PciFunction, Width};

use crate::bench::{Bench, MAC, frame};

/// Message control.
const CONTROL: u16 = 0x52;

/// A chip on PCI Express with the receiver on, its messages, and who sends to it.
fn receiver() -> (Bench, Station) {
    let (mut b, station) = Bench::started_of(Variant::Rtl8168Be, rcr::APM);
    b.enable_messages();
    (b, station)
}

#[test]
fn the_capability_is_that_of_one_message_with_a_wide_address() {
    for variant in Variant::ALL {
        let (_wire, near, _far) = Wire::new(WireConfig::default());
        let (mut nic, _) = R8169Model::new(Config::of(variant), near);
        assert_eq!(nic.has_msi().unwrap(), variant.is_pcie(), "{variant:?}");
        if !variant.is_pcie() {
            let (_reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
            let refused = nic.enable_msi(std::os::fd::AsFd::as_fd(&writer));
            assert!(matches!(refused, Err(BusError::Unsupported("MSI"))), "{variant:?}");
            continue;
        }
        assert_eq!(nic.config_read(0x50, Width::U32).unwrap(), 0x0080_6005, "{variant:?}");
        for at in [0x50, 0x54, 0x58, 0x5c] {
            nic.config_write(at, Width::U32, u32::MAX).unwrap();
        }
        let kept = [0x50, 0x54, 0x58, 0x5c].map(|at| nic.config_read(at, Width::U32).unwrap());
        assert_eq!(kept, [0x0081_6005, 0xffff_fffc, u32::MAX, 0xffff], "{variant:?}");
    }
}

#[test]
fn a_message_comes_when_the_first_cause_comes_and_none_until_all_were_gone() {
    let (mut b, station) = receiver();
    b.w16(regs::IMR, isr::ROK | isr::LINKCHG);
    station.inject(&frame(MAC, 60));
    b.take_interrupt();
    station.inject(&frame(MAC, 60));
    b.wire.set_link(false);
    b.w16(regs::ISR, isr::ROK);
    assert_eq!(b.handle.counters().messages, 1, "LINKCHG was there all the time");
    b.wire.set_link(true);
    assert_eq!(b.handle.counters().messages, 1);
    b.w16(regs::ISR, isr::LINKCHG);
    station.inject(&frame(MAC, 60));
    b.take_interrupt();
    // IMR makes edges too
    b.w16(regs::IMR, 0);
    b.w16(regs::IMR, isr::ROK);
    b.take_interrupt();
    assert_eq!((b.handle.counters().messages, b.interrupts()), (3, 0), "no INTx beside it");
}

#[test]
fn what_is_there_when_messages_are_enabled_is_no_edge_but_holds_the_line_when_they_are_disabled() {
    let (mut b, station) = receiver();
    b.nic.disable_msi().unwrap();
    b.w16(regs::IMR, isr::ROK);
    station.inject(&frame(MAC, 60));
    b.enable_messages();
    assert_eq!(b.nic.config_read(CONTROL, Width::U16).unwrap(), 0x81);
    assert_eq!(b.handle.counters().messages, 0);
    b.nic.disable_msi().unwrap();
    assert_eq!(b.nic.config_read(CONTROL, Width::U16).unwrap(), 0x80);
    b.enable_line();
    b.take_interrupt();
    assert_eq!((b.handle.counters().messages, b.interrupts()), (0, 1));
}

#[test]
fn a_message_that_cannot_be_sent_is_lost() {
    let (mut b, _station) = receiver();
    b.w16(regs::IMR, isr::LINKCHG);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    b.wire.set_link(false);
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(b.handle.counters().messages, 0, "no bus mastering");
    b.w16(regs::ISR, isr::LINKCHG);
    b.handle.misbehave(|m| m.interrupt_lost = true);
    b.wire.set_link(true);
    b.handle.misbehave(|m| m.interrupt_lost = false);
    assert_eq!(b.handle.counters().messages, 0, "lost");
    b.w16(regs::ISR, isr::LINKCHG);
    b.wire.set_link(false);
    b.take_interrupt();
    assert_eq!(b.handle.counters().messages, 1);
}

#[test]
fn the_last_close_disables_it() {
    let (b, _station) = receiver();
    let Bench { nic, handle, .. } = b;
    drop(nic);
    let mut nic = handle.open().unwrap();
    assert_eq!(nic.config_read(CONTROL, Width::U16).unwrap(), 0x80);
}
