//! The chip seen from its pins: registers, memory, wire, interrupt line.

mod bench;
mod far_host;
mod interrupts;
mod messages;
mod misbehave;
mod offload;
mod pci;
mod phy;
mod receive;
mod registers;
mod transmit;
