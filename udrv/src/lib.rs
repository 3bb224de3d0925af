//! The framework: buses, registers, DMA, interrupts, driver classes, endpoints, supervisor.

pub mod dma;
pub mod endpoint;
pub mod iova;
mod pkey;
pub mod vfio;
