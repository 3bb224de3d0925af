//! The chip seen from its pins: registers, memory, wire, interrupt line.

mod bench;
mod eeprom_phy;
mod far_host;
mod interrupts;
mod misbehave;
mod offload;
mod packets;
mod pci;
mod receive;
mod registers;
mod robust;
mod transmit;
