//! The network behind a NIC model: a wire, and something at its far end.
//!
//! - [`Wire`]: one full-duplex Ethernet link: bounded, with link up and down and a seeded fault injector.
//! - [`FarHost`]: a host of its own thread with a TCP/IP stack (smoltcp) that answers ARP and ping, and serves
//!   TCP echo, TCP sink, TCP source and UDP echo.
//! - [`Station`]: a far end for tests that sends given frames and keeps what comes.
//! - [`mii`]: what is the same in the PHY of every NIC.
//! - [`Line`]: the speed of what a far end sends; the wire itself has none.
//!
//! Nothing here knows a chip or a driver: a NIC model implements [`NicReceiver`] and owns a [`NicPort`].
//!
//! ```
//! use std::sync::{Arc, Mutex, Weak};
//! use std::time::Duration;
//! use model_wire::{NicReceiver, Station, Wire, WireConfig};
//!
//! struct Nic(Mutex<Vec<Vec<u8>>>);
//! impl NicReceiver for Nic {
//!     fn receive(&self, frame: &[u8], _fcs_ok: bool) {
//!         self.0.lock().unwrap().push(frame.to_vec());
//!     }
//!     fn link_changed(&self, _up: bool) {}
//! }
//!
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let nic = Arc::new(Nic(Mutex::default()));
//! let receiver: Arc<dyn NicReceiver> = nic.clone();
//! near.attach(Arc::downgrade(&receiver));
//!
//! near.transmit(&[1; 60]);
//! assert_eq!(station.receive(Duration::from_secs(1)).unwrap().data, [1; 60]);
//! station.inject(&[2; 60]);
//! assert_eq!(nic.0.lock().unwrap()[0], [2; 60]);
//! ```
#![forbid(unsafe_code)]

mod far_host;
mod faults;
mod line;
pub mod mii;
mod rng;
mod station;
mod stats;
mod wire;

pub use far_host::{
    FarHost, FarHostConfig, FarHostStats, PORT_ECHO, PORT_SINK, PORT_SOURCE, SOURCE_SEED, ServiceStats, SinkRecord,
};
pub use faults::WireFaults;
pub use line::Line;
pub use rng::{Rng, stream_bytes};
pub use station::{Station, StationFrame};
pub use stats::{DirectionStats, WireStats};
pub use wire::{FarPort, FarWaker, NicPort, NicReceiver, Received, Wire, WireConfig};
