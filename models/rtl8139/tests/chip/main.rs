//! The chip seen from its pins: registers, memory, wire, interrupt line.

mod bench;
mod far_host;
mod interrupts;
mod misbehave;
mod pci;
mod receive;
mod registers;
mod transmit;
