//! The framework: buses, registers, DMA, interrupts, driver classes, endpoints, supervisor.
//!
//! ```text
//!   endpoint (TAP) <-> net class <-> [driver, inside a transaction] <-> register window, DMA pool <-> bus (VFIO, model)
//! ```
//!
//! A device is a [`net::NetDevice`] of a driver type, started over any `udrv_bus::PciFunction` or `udrv_bus::UsbDevice` and any
//! [`endpoint::NetEndpoint`]; sound cards ([`sound::SoundDevice`]) and mice ([`input::InputDevice`], over an `udrv_bus::SerioPort`)
//! likewise:
//!
//! ```no_run
//! use udrv::endpoint::Tap;
//! use udrv::net::NetDevice;
//! use udrv::run::{Options, commands};
//! use udrv::vfio::VfioFunction;
//! use udrv_driver::NetDriver;
//!
//! # fn run<D: NetDriver>() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = VfioFunction::open("0000:00:04.0".parse()?)?;
//! let device = NetDevice::<D>::start(Box::new(bus), Box::new(Tap::open("udrv0")?), Options::default())?;
//! let (_commander, inbox) = commands()?;
//! device.run(&inbox)?; // until told to stop through the commander
//! # Ok(())
//! # }
//! ```

pub mod buffers;
pub mod checkpoint;
pub mod clock;
pub mod device;
pub mod dma;
pub mod endpoint;
mod event;
mod gate;
pub mod host;
pub mod input;
pub mod iova;
pub mod keep;
pub mod ledger;
mod marks;
pub mod net;
mod pkey;
pub mod pool;
pub mod registers;
pub mod report;
pub mod run;
pub mod serio;
pub mod sound;
pub mod supervisor;
mod threads;
pub mod trace;
mod transact;
pub mod usb;
mod users;
pub mod vfio;
pub mod vfio_user;
pub mod window;
pub mod write_log;
