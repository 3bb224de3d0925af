//! Settings of the network drivers.

use model_e1000::regs as e1000;
use model_pegasus::regs as pegasus;
use model_r8169::regs as r8169;
use model_rtl8139::regs as rtl8139;
use udrv::checkpoint::{ClassSettings, NetSettings};
use udrv_bus::Width;
use udrv_driver::MacAddress;
use udrv_tests::subject::{E1000, R8169, Rtl8139, Subject};

use super::{Make, Row, Setting, Way, rows_of};
use crate::device::{Adapter, Card, Device, Driver, adapter, card, net_options};

/// An address that no model has, and one more.
const OTHER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x77]);
const THIRD: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x99]);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = rows_of(Driver::Rtl8139, net_options, card::<Rtl8139>, of_rtl8139());
    rows.extend(rows_of(Driver::E1000, net_options, card::<E1000>, of_e1000()));
    rows.extend(rows_of(Driver::R8169, net_options, card::<R8169>, of_r8169()));
    rows.extend(rows_of(Driver::Pegasus, net_options, adapter, of_pegasus()));
    rows
}

fn setting<D>(
    way: Way,
    name: &'static str,
    register: &'static str,
    make: Make<D>,
    read: fn(&mut D) -> u64,
) -> Setting<D> {
    Setting { name, way, register, make, read }
}

fn net(device: &mut impl Device, change: impl FnOnce(&mut NetSettings)) -> Result<(), String> {
    super::class(device, |settings| {
        if let ClassSettings::Net(settings) = settings {
            change(settings);
        }
    })
}

fn look<S: Subject>(card: &Card<S>, at: u32, width: Width) -> u64 {
    card.around.spy.register(at, width).into()
}

fn write<S: Subject>(card: &Card<S>, at: u32, width: Width, value: u32) -> Result<(), String> {
    card.around.spy.set_register(at, width, value);
    Ok(())
}

/// Address: in the configuration file, and by the class.
fn addresses<S: Subject>() -> [Setting<Card<S>>; 2] {
    let station = |card: &mut Card<S>| {
        let [_, _, low @ ..] = card.around.spy.station();
        u32::from_be_bytes(low).into()
    };
    [
        setting(Way::AtStart, "station address", "station", Make::AtStart(|o| o.net.mac = Some(OTHER)), station),
        setting(
            Way::Class,
            "station address",
            "station",
            Make::Running(|card| net(card, |settings| settings.mac = THIRD)),
            station,
        ),
    ]
}

fn of_rtl8139() -> Vec<Setting<Card<Rtl8139>>> {
    let mut settings = vec![
        setting(
            Way::RawForeign,
            "wake on a broadcast",
            "CONFIG5",
            Make::Running(|card| write(card, rtl8139::CONFIG5.into(), Width::U8, 0x40)),
            |card| look(card, rtl8139::CONFIG5.into(), Width::U8),
        ),
        setting(
            Way::RawForeign,
            "what the PHY offers: 10 Mbit/s only",
            "ANAR",
            Make::Running(|card| write(card, rtl8139::ANAR.into(), Width::U16, 0x0061)),
            |card| look(card, rtl8139::ANAR.into(), Width::U16),
        ),
        setting(
            Way::RawOwn,
            "half of the multicast hash",
            "MAR4",
            Make::Running(|card| write(card, rtl8139::MAR4.into(), Width::U32, 0x1234_5678)),
            |card| look(card, rtl8139::MAR4.into(), Width::U32),
        ),
        setting(
            Way::Class,
            "promiscuous",
            "RCR.AAP",
            Make::Running(|card| net(card, |settings| settings.promiscuous = true)),
            |card| look(card, rtl8139::RCR.into(), Width::U32) & 1,
        ),
    ];
    settings.extend(addresses());
    settings
}

fn of_e1000() -> Vec<Setting<Card<E1000>>> {
    let mut settings = vec![
        setting(
            Way::RawForeign,
            "what the LEDs show",
            "LEDCTL",
            Make::Running(|card| write(card, e1000::LEDCTL, Width::U32, 0x0706_0302)),
            |card| look(card, e1000::LEDCTL, Width::U32),
        ),
        setting(
            Way::RawForeign,
            "threshold of flow control",
            "FCRTH",
            Make::Running(|card| write(card, e1000::FCRTH, Width::U32, 0x8000_4000)),
            |card| look(card, e1000::FCRTH, Width::U32),
        ),
        setting(
            Way::RawOwn,
            "gap between frames",
            "TIPG",
            Make::Running(|card| write(card, e1000::TIPG, Width::U32, 0x0060_200c)),
            |card| look(card, e1000::TIPG, Width::U32),
        ),
        setting(Way::AtStart, "VLAN", "CTRL.VME", Make::AtStart(|options| options.net.vlan = Some(7)), |card| {
            look(card, e1000::CTRL, Width::U32) >> 30 & 1
        }),
        setting(
            Way::Private,
            "distance between interrupts",
            "ITR",
            Make::Running(|card| net(card, |settings| settings.interrupt_interval_us = 200)),
            |card| look(card, e1000::ITR, Width::U32),
        ),
        setting(
            Way::Class,
            "promiscuous",
            "RCTL.UPE",
            Make::Running(|card| net(card, |settings| settings.promiscuous = true)),
            |card| look(card, e1000::RCTL, Width::U32) >> 3 & 1,
        ),
        setting(
            Way::Class,
            "MTU",
            "RCTL.LPE",
            Make::Running(|card| net(card, |settings| settings.mtu = 9000)),
            |card| look(card, e1000::RCTL, Width::U32) >> 5 & 1,
        ),
    ];
    settings.extend(addresses());
    settings
}

fn of_r8169() -> Vec<Setting<Card<R8169>>> {
    let mut settings = vec![
        setting(
            Way::RawForeign,
            "frames that wake",
            "WAKEUP",
            Make::Running(|card| write(card, r8169::WAKEUP.into(), Width::U32, 0x1234_5678)),
            |card| look(card, r8169::WAKEUP.into(), Width::U32),
        ),
        setting(
            Way::RawForeign,
            "interrupt selection",
            "MULINT",
            Make::Running(|card| write(card, r8169::MULINT.into(), Width::U16, 0x0123)),
            |card| look(card, r8169::MULINT.into(), Width::U16),
        ),
        setting(
            Way::RawOwn,
            "half of the multicast hash",
            "MAR4",
            Make::Running(|card| write(card, r8169::MAR4.into(), Width::U32, 0x1234_5678)),
            |card| look(card, r8169::MAR4.into(), Width::U32),
        ),
        setting(Way::AtStart, "VLAN", "CPCR.RxVLAN", Make::AtStart(|options| options.net.vlan = Some(7)), |card| {
            look(card, r8169::CPCR.into(), Width::U16) >> 6 & 1
        }),
        setting(
            Way::Private,
            "distance between interrupts",
            "IntrMitigate",
            Make::Running(|card| net(card, |settings| settings.interrupt_interval_us = 100)),
            |card| look(card, r8169::INTRMITIGATE.into(), Width::U16),
        ),
        setting(
            Way::Class,
            "promiscuous",
            "RCR.AAP",
            Make::Running(|card| net(card, |settings| settings.promiscuous = true)),
            |card| look(card, r8169::RCR.into(), Width::U32) & 1,
        ),
        setting(Way::AtStart, "MTU", "RMS", Make::AtStart(|options| options.net.mtu = Some(4000)), |card| {
            look(card, r8169::RMS.into(), Width::U16)
        }),
    ];
    settings.extend(addresses());
    settings
}

fn of_pegasus() -> Vec<Setting<Adapter>> {
    fn at(adapter: &Adapter, register: u8) -> u64 {
        adapter.around.bench.register(register).into()
    }
    fn put(adapter: &Adapter, register: u8, value: u8) -> Result<(), String> {
        adapter.around.bench.set_register(register, value);
        Ok(())
    }
    fn station(adapter: &mut Adapter) -> u64 {
        let [_, _, low @ ..] = adapter.around.station_address();
        u32::from_be_bytes(low).into()
    }
    vec![
        setting(
            Way::RawForeign,
            "pause timer",
            "Pause Timer",
            Make::Running(|adapter| put(adapter, pegasus::PAUSE, 0x55)),
            |adapter| at(adapter, pegasus::PAUSE),
        ),
        setting(
            Way::RawForeign,
            "wake on a link",
            "Wakeup Control",
            Make::Running(|adapter| put(adapter, pegasus::WAKEUP_CTRL, 0x20)),
            |adapter| at(adapter, pegasus::WAKEUP_CTRL),
        ),
        setting(Way::RawOwn, "pins", "GPIO1", Make::Running(|adapter| put(adapter, pegasus::GPIO1, 0x2a)), |adapter| {
            at(adapter, pegasus::GPIO1)
        }),
        setting(
            Way::Class,
            "promiscuous",
            "Ethernet control 2.2",
            Make::Running(|adapter| net(adapter, |settings| settings.promiscuous = true)),
            |adapter| at(adapter, pegasus::ETH_CTRL2) >> 2 & 1,
        ),
        setting(Way::AtStart, "station address", "Ethernet ID", Make::AtStart(|o| o.net.mac = Some(OTHER)), station),
        setting(
            Way::Class,
            "station address",
            "Ethernet ID",
            Make::Running(|adapter| net(adapter, |settings| settings.mac = THIRD)),
            station,
        ),
    ]
}
