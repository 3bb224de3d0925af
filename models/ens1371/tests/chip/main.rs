//! The chip seen from its pins: registers, memory, jacks, interrupt line.

mod bench;
mod clock;
mod codec;
mod converter;
mod interrupts;
mod misbehave;
mod mixer;
mod pci;
mod play;
mod record;
mod registers;
mod robust;
mod wav;
