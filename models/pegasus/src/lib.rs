//! The ADMtek Pegasus USB Ethernet adapter in software: AN986 and ADM8511.
//!
//! [`PegasusModel`] is the adapter as an opened USB device with its interface claimed (`udrv_bus::UsbDevice`);
//! [`PegasusHandle`] is the bench beside it: counters, misbehaviour, its plug. Registers have the names of the data
//! sheets. Nothing here knows a driver.
//!
//! ```
//! use std::time::Duration;
//! use model_pegasus::{BULK_OUT, Config, PegasusModel, regs};
//! use model_wire::{Station, Wire, WireConfig};
//! use udrv_bus::{Setup, Transfer, TransferStatus, UsbDevice};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let (mut nic, bench) = PegasusModel::new(Config { control_cost: Duration::ZERO, ..Config::default() }, near);
//!
//! // One register: the value is in the request and in the data.
//! let (request_type, request) = (regs::request::WRITE, regs::request::SET_REGISTERS);
//! for (register, value) in [(regs::PHY_POWER, regs::phy_power::ON), (regs::ETH_CTRL0, regs::ctrl0::TX)] {
//!     nic.control_out(Setup { request_type, request, value: value.into(), index: register.into() }, &[value])?;
//! }
//! let mut data = vec![60, 0];
//! data.extend([0xff; 60]);
//! nic.submit(Transfer { endpoint: BULK_OUT, token: 7, data, zero_packet: true })?;
//!
//! let ended = nic.reap().expect("it has ended");
//! assert_eq!((ended.token, ended.status, ended.length), (7, TransferStatus::Done, 62));
//! assert_eq!(station.receive(Duration::ZERO).unwrap().data, [0xff; 60]);
//! assert_eq!(bench.counters().control_reads, 0);
//! # Ok(())
//! # }
//! ```
//!
//! For a network that answers, give the far end to `model_wire::FarHost::start` instead of a `Station`.
//!
//! # Where what is public leaves a choice
//!
//! The data sheets are not at hand; what is here is what the drivers for the real chips agree on.
//!
//! - **A write of one register** takes the value from `wValue`; the data byte is not looked at, and counted if it is
//!   another. All drivers send both. Requests that go beyond register 0xff, or for no register, are stalled.
//! - **Received data always has the CRC**, whatever bit 0 of EthCtrl0 says: drivers that leave the bit clear find four
//!   bytes there. The length in the status counts them.
//! - **The length before a sent frame** counts as far as bytes came; one driver found that the chip goes by what comes.
//! - **Short frames are padded** by the chip: drivers do not.
//! - **While the transmitter is off** an OUT transfer waits, and goes on when it is switched on.
//! - **Broadcast is always received**: there is no bit for it. The hash is the lower six bits of the reflected CRC.
//! - **Endpoint 3** answers a poll when it has something new to say: a link that is another, a frame that failed or was
//!   lost; and the first one after configuration. A real one may answer each poll.
//! - **Reset of the MAC** clears registers below 0x20, the FIFO and the status; writes there are lost while it shows.
//!   Pins, PHY and EEPROM stay.
//! - **The station address** is loaded from the EEPROM at power-on and reset by the ADM8511 alone, whose drivers read it
//!   there; drivers of the AN986 read the EEPROM and write it.
//! - **The PHY** answers only once it is let: bit 1 of register 0x7b with bit 0 clear (ADM8511), general purpose pin 0
//!   driven high (AN986). All drivers do that after the reset.
//! - **Register 0x83** reads 0: were it to keep 0xa5, Linux would take the chip for an ADM8513.
//! - **Classes, strings and power** of the descriptors, and the identifiers of the PHYs, are plausible and no more. No
//!   driver looks at them.
//! - **An IN transfer with too little room** for the next packet ends in an overflow with that packet still there; room
//!   for whole packets only gives the frame in pieces.
//!
//! # Not modelled
//!
//! Time that frames take; collisions; suspend, wake-up frames and their registers; flow control; HomePNA; the EEPROM's
//! strings; isochronous anything.
#![forbid(unsafe_code)]

mod chip;
mod config;
mod control;
mod counters;
mod descriptors;
mod device;
mod done;
mod eprom;
mod filter;
mod interrupt;
mod misbehave;
mod model;
mod phy;
pub mod regs;
mod rx;
mod tx;

pub use config::{Config, VARIANTS, Variant, Variants};
pub use counters::Counters;
pub use descriptors::{BULK_IN, BULK_OUT, INTERRUPT};
pub use eprom::WORDS as EPROM_WORDS;
pub use filter::multicast_bit;
pub use misbehave::{BadDescriptors, BadTrailer, Garbage, Misbehave};
pub use model::{PegasusHandle, PegasusModel};
