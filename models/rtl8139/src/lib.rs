//! The RTL8139 Fast Ethernet controller in software: RTL8139C and D, and the legacy mode of the C+.
//!
//! [`Rtl8139Model`] is the card as an opened PCI function (`udrv_bus::PciFunction`); [`Rtl8139Handle`] is the bench
//! beside it: counters, misbehaviour, clock. Registers have the names of the RTL8139D datasheet, rev 1.2; its text is
//! cited by register name, not by section. Nothing here knows a driver.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use model_rtl8139::{Config, Rtl8139Model, regs, testing::TestMemory};
//! use model_wire::{Station, Wire, WireConfig};
//! use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let (mut nic, bench) = Rtl8139Model::new(Config::default(), near);
//!
//! let memory = Arc::new(TestMemory::new(4096));
//! memory.write(0, &[0xff; 60])?;
//! nic.map_dma(DmaMapping { iova: 0x1000, memory })?;
//! nic.config_write(0x04, Width::U16, 0x0006)?; // memory and bus mastering
//! nic.bar_write(1, regs::CR.into(), Width::U8, regs::cr::TE.into())?;
//! nic.bar_write(1, regs::TSAD0.into(), Width::U32, 0x1000)?;
//! nic.bar_write(1, regs::TSD0.into(), Width::U32, 60)?;
//!
//! assert_eq!(station.receive(Duration::ZERO).unwrap().data, [0xff; 60]);
//! assert_ne!(nic.bar_read(1, regs::TSD0.into(), Width::U32)? & regs::tsd::TOK, 0);
//! assert_eq!(bench.counters().register_reads, 1);
//! # Ok(())
//! # }
//! ```
//!
//! For a network that answers, give the far end to `model_wire::FarHost::start` instead of a `Station`.
//!
//! # Where the datasheet leaves a choice
//!
//! - **ISR** is cleared by writing ones. A datasheet text says that reading clears it; drivers for the real
//!   chips, and QEMU's model, agree that it does not.
//! - **IDR0-5 and MAR0-7** take writes of 32 bits only; 9346CR need not be unlocked for them: it guards CONFIG0, 1,
//!   3, 4 and BMCR bits 13, 12 and 8. CONFIG5 is not locked. CONFIG0 is read only.
//! - **TSD** takes writes of 32 bits only.
//! - **TCR** keeps what is written only while CR.TE is set: enable first, then configure. RCR always takes it.
//! - **CR.RST** shows for [`Config::reset_polls`] reads of CR; other writes in that time are lost and counted. It
//!   clears TSAD, RBSTART, IMR, ISR, TCR, RCR, MPC, TimerInt and MULINT as well.
//! - **CR.RE** going from 0 to 1 empties the ring (CBR 0, CAPR 0xfff0). A write of RCR does not.
//! - **CAPR + 16 is the read pointer**; the ring's modulus is 8 KiB << RBLEN, without the 16 spare bytes.
//! - **Transmit slots** go in turn from slot 0 after CR.RST, whatever the order of writes; a slot written while TE or
//!   bus mastering is off waits for it. A runt goes out as a runt. More than 1792 bytes: TABT and ISR.TER, and nothing
//!   moves until TCR.CLRABT (which sends the same slot again) or CR.RST.
//! - **Link down**: the slot completes with TOK and CRS, and the frame is lost.
//! - **DMA outside every mapping** is a master abort: PCI status bit 13 (and 14 if SERR# is enabled), ISR.SERR. A
//!   transmit slot then shows OWN and TABT as above; a received frame is lost. The receiver goes on.
//! - **Bus mastering off**: no DMA. Frames that arrive count in MPC and set FOVW.
//! - **A full ring** loses the frame: RXOVW and MPC; FOVW too for those that follow before RXOVW is acknowledged.
//!   Reception goes on as soon as CAPR makes room.
//! - **AAP** accepts unicast to anyone, and nothing else.
//!
//! # Not modelled
//!
//! C+ descriptors; early transmit and early receive (ERTXTH, ERTH, ERSR, ERBCR, MULINT are inert); FIFO and DMA burst
//! sizes; underrun and collisions; TCR.CRC (frames on the wire carry no FCS); the time that a frame or
//! auto-negotiation takes; power management, wake-up, VPD and boot ROM (their registers keep what is written); flow
//! control; CardBus function registers; expansion ROM; MSI (the chip has none); PCI parity.
#![forbid(unsafe_code)]

mod access;
mod chip;
mod config;
mod eeprom;
mod filter;
mod misbehave;
mod phy;
pub mod regs;
mod rx;
mod timer;
mod tx;

pub use chip::{ID, Rtl8139};
pub use config::{Clock, Config, Variant};
pub use filter::multicast_bit;
pub use misbehave::{BadHeader, Misbehave, Switches};
pub use model_card::{AllOnes, Counters, Garbage, testing};

/// An RTL8139, opened: [`model_card::Model`].
pub type Rtl8139Model = model_card::Model<Rtl8139>;

/// The bench beside an RTL8139: [`model_card::Handle`]. Its clock, [`Clock::Manual`], counts ticks of 33 MHz.
pub type Rtl8139Handle = model_card::Handle<Rtl8139>;
