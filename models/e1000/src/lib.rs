//! Gigabit Ethernet controllers of the 8254x family in software: 82540EM, 82545EM and 82544GC.
//!
//! [`E1000Model`] is the card as an opened PCI function (`udrv_bus::PciFunction`); [`E1000Handle`] is the bench beside
//! it: counters, misbehaviour. Registers and descriptors have the names of the PCI/PCI-X Family of Gigabit Ethernet
//! Controllers Software Developer's Manual ("the manual"). Nothing here knows a driver.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use model_e1000::{Config, E1000Model, regs, testing::TestMemory};
//! use model_wire::{Station, Wire, WireConfig};
//! use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let (mut nic, bench) = E1000Model::new(Config::default(), near);
//!
//! // A ring of eight descriptors at 0x1000; the first sends 60 bytes at 0x1800.
//! let memory = Arc::new(TestMemory::new(4096));
//! memory.write(0x000, &0x1800u64.to_le_bytes())?;
//! memory.write(0x008, &(regs::txd::EOP | regs::txd::IFCS | regs::txd::RS | 60).to_le_bytes())?;
//! memory.write(0x800, &[0xff; 60])?;
//! nic.map_dma(DmaMapping { iova: 0x1000, memory: memory.clone() })?;
//! nic.config_write(0x04, Width::U16, 0x0006)?; // memory and bus mastering
//! for (register, value) in [
//!     (regs::CTRL, regs::ctrl::DEFAULT | regs::ctrl::SLU),
//!     (regs::TDBAL, 0x1000),
//!     (regs::TDLEN, 128),
//!     (regs::TCTL, regs::tctl::EN | regs::tctl::PSP),
//!     (regs::TDT, 1),
//! ] {
//!     nic.bar_write(0, register.into(), Width::U32, value)?;
//! }
//!
//! assert_eq!(station.receive(Duration::ZERO).unwrap().data, [0xff; 60]);
//! let mut status = [0];
//! memory.read(12, &mut status)?;
//! assert_eq!(u32::from(status[0]), regs::txd::DD);
//! assert_ne!(nic.bar_read(0, regs::ICR.into(), Width::U32)? & regs::icr::TXDW, 0);
//! assert_eq!(bench.counters().register_reads, 1);
//! # Ok(())
//! # }
//! ```
//!
//! For a network that answers, give the far end to `model_wire::FarHost::start` instead of a `Station`.
//!
//! # Where the manual leaves a choice
//!
//! - **BARs**: registers in BAR 0 (memory, 32 address bits), IOADDR and IODATA in BAR 1. On cards these are BAR 2 or 4.
//! - **Registers are double words.** A narrower read shows its part, with all side effects; a narrower write is lost.
//!   IMC and ICS read 0.
//! - **ICR** is cleared by reading, whatever IMS is, and by writing ones. Reserved bits up to 16 can be set by ICS.
//! - **CTRL.RST** is over at once; it shows for [`Config::reset_polls`] reads, of whichever registers, or until CTRL is
//!   written: a driver that waits instead of polling does not find it later. It clears tables and statistics, loads
//!   RAL0 and RAH0 from the EEPROM, and leaves the PHY and configuration space.
//! - **STATUS.LU** needs CTRL.SLU, which is clear after reset. Without link the transmitter waits, as the chip does;
//!   in loopback it does not.
//! - **Loopback** is PHY register 0, bit 14, or any RCTL.LBM but 0. Frames from the wire are then lost.
//! - **Auto-negotiation** takes the time that the wire is told, none by default. Its start (BMCR, CTRL.PHY_RST) is a
//!   link that fails and is back: LSC, and BMSR shows it once. BMCR bit 15 keeps the other registers, as the M88 does; CTRL.PHY_RST does not.
//! - **A PHY at another address** than 1 reads 0xffff with MDIC.E.
//! - **A tail outside the ring**, or a head: nothing moves until it is inside.
//! - **DMA outside every mapping** is a master abort: PCI status bit 13 (and 14 if SERR# is enabled), no cause in ICR.
//!   The queue stops until TCTL.EN or RCTL.EN goes from 0 to 1, or a reset; the head stays at the descriptor.
//! - **Bus mastering off**: no DMA. The transmitter waits; frames that arrive are missed.
//! - **Too few receive buffers** for all of a frame: it is lost, RNBC and MPC count it, RXO tells.
//! - **RXDMT0** is told when the free descriptors fall to the threshold, not while they stay below.
//! - **Longest frame** 1522 bytes with CRC, tagged or not; 16384 with LPE. SBP stores frames with a bad CRC and runts,
//!   not oversize ones.
//! - **PIF** is set for the multicast table only, not for promiscuous modes. Broadcast needs BAM, or passes as a
//!   multicast.
//! - **VFE** filters tagged frames whether CTRL.VME is set or not; a tag is stripped, and VP set, only with VME.
//! - **IXSM** is set in a receive descriptor when no checksum was looked at. A UDP checksum of 0 is not looked at, and
//!   none is of a fragment. IPv6 needs TUOFL and IPV6OFL and no extension headers.
//! - **Packet checksum** is a big-endian sum, in each of the frame's receive descriptors.
//! - **Two contexts**, one for packets with TSE. A packet ends with EOP, whatever PAYLEN says; if that differs, TSCTFC
//!   counts it.
//! - **IPv6 payload length** of a segment is without the 40 bytes of the header, which the manual's formula counts.
//! - **TSE without payload or MSS**, and a packet that is too long, is dropped and counted; its descriptors are done.
//! - **Without IFCS** the last four bytes are the FCS; if they are wrong the frame is lost on the wire.
//! - **A UDP checksum that comes out as 0** is sent as 0xffff (context without TUCMD.TCP).
//! - **STA** is written back with RS, in the 82544 with RPS too; the rest of the descriptor's last double word stays.
//!
//! # Not modelled
//!
//! FIFOs and their timing (PBA, FCRTL, FCRTH, TXDCTL, RXDCTL are kept); interrupt delays and moderation (RDTR, RADV,
//! TIDV, TADV, ITR are kept, IDE is ignored); TXD_LOW and SRPD; flow control (PAUSE frames are frames); half duplex
//! and collisions; SNAP in checksum offload; wake-up, management and ASF; flash; LEDs and pins; SerDes; power
//! management, PCI-X and MSI; 82542-compatible register addresses; diagnostic registers and the packet buffer memory.
#![forbid(unsafe_code)]

mod access;
mod checksum;
mod chip;
mod config;
mod eeprom;
mod filter;
mod kept;
mod misbehave;
mod offload;
mod phy;
pub mod regs;
mod ring;
mod rx;
mod stats;
mod tx;

pub use chip::E1000;
pub use config::{Config, Variant};
pub use filter::multicast_bit;
pub use misbehave::{BadWriteback, Misbehave, Switches};
pub use model_card::{AllOnes, Counters, Garbage, testing};

/// A card of the 8254x family, opened: [`model_card::Model`].
pub type E1000Model = model_card::Model<E1000>;

/// The bench beside it: [`model_card::Handle`].
pub type E1000Handle = model_card::Handle<E1000>;
