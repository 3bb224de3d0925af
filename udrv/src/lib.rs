//! The framework: buses, registers, DMA, interrupts, driver classes, endpoints, supervisor.

pub mod dma;
pub mod endpoint;
pub mod host;
pub mod iova;
pub mod ledger;
pub mod net;
mod pkey;
pub mod pool;
pub mod report;
pub mod symbols;
mod transact;
pub mod vfio;
pub mod window;
