//! The framework: buses, registers, DMA, interrupts, driver classes, endpoints, supervisor.
