//! A PS/2 controller on PCI, as docking stations of Mobility Electronics have it, in software; at its port the mouse of
//! [`model_psmouse`].
//!
//! It is here for one reason: Linux's pcips2 drives it, and its psmouse then drives the mouse, in a guest whose kernel has no
//! userio. No driver of ours knows it.
//!
//! ```
//! use model_pcips2::{PciPs2Model, Socket, ctrl, regs, status};
//! use model_psmouse::{Clock, Config, PsMouseModel};
//! use std::time::Duration;
//! use udrv_bus::{PciFunction, Width};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (mouse, bench) = PsMouseModel::new(Config { clock: Clock::Manual, ..Config::default() });
//! let (mut card, _) = PciPs2Model::new((), Socket::new(mouse));
//! card.config_write(0x04, Width::U16, 0x0001)?; // I/O
//! card.bar_write(0, regs::CTRL.into(), Width::U8, ctrl::ENABLE.into())?;
//! card.bar_write(0, regs::DATA.into(), Width::U8, 0xf4)?;
//! bench.advance(Duration::from_millis(20));
//! assert_ne!(card.bar_read(0, regs::STATUS.into(), Width::U8)? & u32::from(status::RXFULL), 0);
//! assert_eq!(card.bar_read(0, regs::DATA.into(), Width::U8)?, 0xfa);
//! # Ok(())
//! # }
//! ```
//!
//! # Our reading
//!
//! All that is known of it is what Linux's driver does. Interrupts are levels. While a byte waits in DATA, and while the port is off,
//! the clock is held and the mouse cannot send. A byte written while one is being sent, or while the port is off, is lost and
//! counted. DATA without a byte shows the last one. Only accesses of a byte are answered. The bits of CTRL that pull the lines are
//! kept, without effect. The size of its I/O space is plausible and no more.
#![forbid(unsafe_code)]

mod chip;
pub mod regs;

pub use chip::{Counts, PciPs2, Socket};
pub use regs::{ctrl, status};

/// Vendor and device: Mobility Electronics, mouse.
pub const ID: udrv_bus::PciId = udrv_bus::PciId { vendor: 0x14f2, device: 0x0124 };

/// The card, opened: [`model_card::Model`].
pub type PciPs2Model = model_card::Model<PciPs2>;

/// The bench beside it: [`model_card::Handle`]. The mouse has one of its own.
pub type PciPs2Handle = model_card::Handle<PciPs2>;
