//! The RTL8169 family of gigabit Ethernet controllers in software: RTL8169S, 8110S, 8169SB, 8169SC and 8168B.
//!
//! [`R8169Model`] is the card as an opened PCI function (`udrv_bus::PciFunction`); [`R8169Handle`] is the bench beside
//! it: counters, misbehaviour, clock. Registers have the names of the RTL8169S datasheet, rev 1.2, which is cited by
//! register name, not by section. Nothing here knows a driver.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use model_r8169::{Config, R8169Model, regs, testing::TestMemory};
//! use model_wire::{Station, Wire, WireConfig};
//! use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let (mut nic, bench) = R8169Model::new(Config::default(), near);
//!
//! // A ring of two descriptors at 0x1000; the first sends 60 bytes at 0x1800.
//! let memory = Arc::new(TestMemory::new(4096));
//! let word = regs::desc::OWN | regs::desc::FS | regs::desc::LS | 60;
//! memory.write(0x000, &word.to_le_bytes())?;
//! memory.write(0x008, &0x1800u64.to_le_bytes())?;
//! memory.write(0x010, &regs::desc::EOR.to_le_bytes())?;
//! memory.write(0x800, &[0xff; 60])?;
//! nic.map_dma(DmaMapping { iova: 0x1000, memory: memory.clone() })?;
//! nic.config_write(0x04, Width::U16, 0x0006)?; // memory and bus mastering
//! nic.bar_write(1, regs::TNPDS.into(), Width::U32, 0x1000)?;
//! nic.bar_write(1, regs::CR.into(), Width::U8, regs::cr::TE.into())?;
//! nic.bar_write(1, regs::TPPOLL.into(), Width::U8, regs::tppoll::NPQ.into())?;
//!
//! assert_eq!(station.receive(Duration::ZERO).unwrap().data, [0xff; 60]);
//! let mut first = [0; 4];
//! memory.read(0, &mut first)?;
//! assert_eq!(u32::from_le_bytes(first) & regs::desc::OWN, 0);
//! let causes = nic.bar_read(1, regs::ISR.into(), Width::U16)?;
//! assert_eq!(causes, (regs::isr::TOK | regs::isr::TDU).into());
//! assert_eq!(bench.counters().tx_frames, 1);
//! # Ok(())
//! # }
//! ```
//!
//! For a network that answers, give the far end to `model_wire::FarHost::start` instead of a `Station`.
//!
//! # Where the datasheet leaves a choice
//!
//! - **Registers** lie in BAR 0 (I/O) and BAR 1 (memory, 256 bytes) on PCI, in BAR 0 (I/O) and BAR 2 (memory, 4 KiB) on
//!   PCI Express. The revision and the PHY's identifier are one for each kind of chip.
//! - **IDR0-5 and MAR0-7** take writes of 32 bits only. IDR and CONFIG1 to 5 are locked by 9346CR, MAR is not.
//! - **MAR** is the other way round on PCI Express: bit n of the hash is in MAR 7 - n / 8. Drivers for the real chips
//!   agree on it.
//! - **TCR and RCR** keep what is written only while CR.TE, or CR.RE, is set: enable first, then configure.
//! - **CR.RST** shows for [`Config::reset_polls`] reads of CR; writes in that time are lost and counted. It clears all
//!   but IDR, MAR, CONFIG0 to 5, the tally counters and the PHY.
//! - **A ring begins anew**, at its first descriptor, when half of its address is written, and when TE or RE goes from
//!   0 to 1. It ends with EOR or after 1024 descriptors.
//! - **A poll while TE or bus mastering is off** waits for it, and TPPoll shows it. Else NPQ and HPQ read 0.
//! - **The chip goes on by itself**: having sent a descriptor it looks at the next one's OWN, and sets TDU when that is
//!   clear, or OWN was clear at once. The high priority ring goes first, as long as it has something.
//! - **TOK** is set with the last descriptor of a frame. A descriptor that is done has OWN clear and is otherwise as it
//!   was. A fragment that no FS began is passed over, and its LS sets TER.
//! - **Short frames** are padded to 60 bytes. More than 8064 bytes (a large send: 65536): TER, and the frame is lost;
//!   the ring goes on.
//! - **Checksums** on transmission are computed anew, whatever stands in their fields. What is not of the protocol that
//!   is asked for, a fragment, or longer than its frame, is sent as it is. A UDP checksum that comes out as 0 is sent as
//!   0xffff.
//! - **Large sends** are TCP over IPv4, tagged or not; what is not, or has no MSS or no payload: TER. IPv4 checksums are
//!   always inserted, ids count up, FIN and PSH are on the last frame only.
//! - **Link down**: frames are sent and lost.
//! - **Receive status and length** are in the descriptor with LS; the length counts the CRC, which is stored. Of a tag
//!   that is taken out the CRC stays as it was. Buffer sizes are multiples of eight, their lower bits are ignored.
//! - **RxChkSum** sets PID for IPv4 only: TCP or UDP if there is a checksum to look at, else IP. No UDP checksum is a
//!   good one.
//! - **Too few receive buffers** for all of a frame: it is lost, RDU, and MPC. Until RDU is acknowledged FOVW is set
//!   too; that stops the receiver of the first RTL8168B until CR.RST. The chip looks at the descriptor again with each
//!   frame.
//! - **IntrMitigate** holds the line back, not ISR, from the first frame on. In real time, whatever [`Clock`] the timer
//!   has.
//! - **CONFIG4 bit 0** of the RTL8168B but the first: while it is clear, frames of more than 1518 bytes without CRC are
//!   errors both ways (TER, RWT). Drivers for the real chip set it; what it does without nobody says.
//! - **RMS** counts the CRC. Longer frames are errors (RWT), and need AER; RMS 0 lets none pass, 0x4000 all.
//! - **RER** is set for frames that are dropped for an error, too.
//! - **AAP** accepts unicast to anyone, and nothing else.
//! - **Upper halves of addresses** count on PCI only with CPCR.DAC.
//! - **DMA outside every mapping** is a master abort: PCI status bit 13 (and 14 if SERR# is enabled), ISR.SERR. The ring
//!   stops until it begins anew.
//! - **Bus mastering off**: no DMA. Frames that arrive count in MPC.
//! - **PHYAR** is busy for [`Config::phy_polls`] reads, with its flag the wrong way round; the access itself is done at
//!   once, and another may follow without rest.
//! - **Auto-negotiation** takes the time that the wire is told, none by default. Its start is a link that fails and is
//!   back: LINKCHG, and BMSR shows it once.
//! - **PHY pages** 1 to 15 keep what is written, others read 0. A reset of the PHY leaves them.
//! - **Loopback** is any TCR.LBK but 0, or BMCR bit 14. Frames from the wire are then lost.
//! - **DTCCR** is carried out at once, or as soon as the bus may be mastered.
//! - **CSIAR** (RTL8168B) reads configuration space; writes are lost. EPHYAR has 32 registers that keep what is written.
//! - **MSI**, on PCI Express: a message when (ISR & IMR) begins to be other than 0; until it was 0 there is no other.
//!   A message that cannot be sent, for want of bus mastering, is lost.
//!
//! # Not modelled
//!
//! The size of the FIFOs, which bounds frames to some 7 KiB on PCI and 4 KiB on PCI Express;
//! the effect of power states and of everything in the PCI
//! Express capability; VPD; FIFOs, burst sizes and early transmission; MULINT; the time that a frame
//! takes; TCR.CRC (frames on the wire carry no FCS); half duplex and collisions; flow control (PAUSE frames are
//! frames); wake-up; TBI; `CardBus` function events; flash; ERIAR and what else later chips have, which read 0.
//! These keep what is written, without effect: FLASH, MULINT, 0x64 to 0x6b on PCI, PMCH, 0x7c, 0x84 to 0xd3, ETThr,
//! 0xf0 to 0xff.
#![forbid(unsafe_code)]

mod access;
mod checksum;
mod chip;
mod config;
mod eeprom;
mod filter;
mod kept;
mod misbehave;
mod mitigation;
mod offload;
mod pci;
mod phy;
pub mod regs;
mod ring;
mod rx;
mod stats;
mod timer;
mod tx;

pub use chip::R8169;
pub use config::{Clock, Config, Variant};
pub use filter::multicast_bit;
pub use misbehave::{BadDescriptor, Misbehave, Switches};
pub use model_card::{AllOnes, Counters, Garbage, testing};

/// A card of the family, opened: [`model_card::Model`].
pub type R8169Model = model_card::Model<R8169>;

/// The bench beside it: [`model_card::Handle`]. Its clock, [`Clock::Manual`], counts ticks of the bus clock.
pub type R8169Handle = model_card::Handle<R8169>;
