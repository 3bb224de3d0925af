//! What a driver sees of udrv: no_std, no unsafe, no host.
//!
//! A driver is a type that implements [`Driver`] and a class trait ([`NetDriver`], [`SoundDriver`], [`InputDriver`]) with associated functions, its *entry points*. Each
//! gets a [`Cx`]: the driver's state (plain data that one rollback mends) and handles to registers, DMA memory,
//! packet buffers and the clock. Behind the handles is the framework; between them lies the border of a transaction,
//! which plain words cross as in a system call.
//!
//! ```
//! use udrv_driver::{Cx, Error, register_map};
//!
//! register_map! {
//!     /// Interrupt mask.
//!     IMR: u16 = 0x3c, Config;
//!     /// Transmit status of each slot; writing it hands the slot to the chip.
//!     TSD[4]: u32 = 0x10, Doorbell;
//! }
//!
//! fn start(cx: &mut Cx<'_, u32>, length: u32) -> Result<(), Error> {
//!     let slot = (*cx.state % 4) as usize;
//!     *cx.state += 1;                        // undone if this call faults
//!     cx.regs.write(IMR, 0x0005)?;           // at the device now; undone if this call faults
//!     cx.regs.write(TSD[slot], length)       // at the device when this call commits
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
mod bus;
mod clock;
mod context;
mod dma;
mod driver;
mod entry;
mod error;
mod input;
mod marks;
pub mod mii;
mod net;
mod offload;
mod register;
pub mod ring;
pub mod serio;
mod settings;
mod sound;
pub mod usb;

pub use bus::{Bus, Pages};
pub use clock::{Clock, Micros};
pub use context::{Cx, Level, Services, State};
pub use dma::{Dma, DmaMemory};
pub use driver::{Driver, Telltale, holds};
pub use entry::{Entry, NoSuchEntry};
pub use error::Error;
pub use input::{
    Buttons, Input, InputAlternates, InputDriver, InputEvents, InputInfo, InputInterrupt, InputSet, InputVariant,
    MAX_REPORTS, Report,
};
pub use marks::{MARK_SPACES, Marks};
pub use net::{
    Alternates, Buffer, Buffers, Events, Link, MacAddress, NetDriver, NotAnAddress, Poll, RingParam, RxMode, Stats,
    Transmit, TxFrame,
};
pub use offload::{Offload, Offloads};
pub use register::{Kind, Reg, RegisterInfo, RegisterWidth, Registers, joined};
pub use settings::{AROUND_MTU, Features, MAX_VLAN, Moderation, Settings, USUAL_MTU};
pub use sound::{
    Control, ControlInfo, ControlKind, ControlValue, Direction, Format, Identity, MAX_STREAMS, Params, Pointer, Rates,
    SampleRing, SoundAlternates, SoundDriver, SoundEvents, SoundVariant, Stream, StreamInfo, Trigger,
};
pub use udrv_inject::{InjectedFault, Injection, Point};
pub use zerocopy;
