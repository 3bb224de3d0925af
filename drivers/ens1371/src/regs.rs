//! The registers: names, offsets, widths, kinds and bits.
//!
//! Not here: registers that this driver does not touch (UART data, S/PDIF channel status, the UART's FIFO). Names and
//! offsets are those of the ES1371 specification, rev 1.1; the ES1370 has the same ones, but for what is said to be of one of
//! them. Registers from 30h to 3fh lie behind Memory Page, and are declared at `page << 8 | offset`.
//!
//! # What waits for the commit, and why
//!
//! The chip has no register in which ones clear a cause, and its counters are reset by being written. So everything that a
//! stream does hangs on writes that act: CONTROL starts and stops it, SERIAL pauses it and acknowledges its interrupts (the
//! enable is cleared and set again), SIZE and COUNT put it back to the beginning. To write such a register twice, or back, is
//! not to undo it. So all four are doorbells: a call that is abandoned has started, stopped, paused, rewound and
//! acknowledged nothing, the other streams have not noticed it, and no `restore` is needed. What the chip holds in them is a
//! function of the state (`stream.rs`), so no shadow is either.
//!
//! What has to act within a call, before streams run, is [`CONTROL_NOW`].

use udrv_driver::{Reg, register_map};

register_map! {
    /// Interrupt/chip select control. Some bits tell what comes in from outside (GPIO_IN), so this is no register in
    /// which what is written is read.
    CONTROL: u32 = 0x00, Doorbell;
    /// Interrupt/chip select status. Not written but on chips that have the bit that lets the codec out of its reset here.
    STATUS: u32 = 0x04, Command;
    /// UART control: written once, so that no interrupt comes from there. Reading it tells the UART's status.
    UART_CONTROL: u8 = 0x09, WriteOnly;
    /// Sample rate converter interface (ES1371): address and data of the converter's memory, and what it is doing.
    SRC: u32 = 0x10, Command;
    /// Codec read/write (ES1371): an access to a register of the AC'97 codec.
    CODEC: u32 = 0x14, Command;
    /// Legacy control and status (ES1371): written once, so that no event is captured. Some bits are status.
    LEGACY: u32 = 0x18, WriteOnly;
    /// Serial interface control: formats, pauses, interrupts. Reserved bits may read as ones.
    SERIAL: u32 = 0x20, Doorbell;
    /// Sample count of DAC1, DAC2 and ADC: frames of a period, less one, in the low half, which is written. The high half
    /// counts down from it, and an interrupt comes when it is through. Written with 0 there: chips take it for the current
    /// count, or do not take it at all.
    COUNT[3]: u32 = 0x24, Doorbell;

    /// [`CONTROL`], at once: all pages show the same below 30h, and one register cannot be declared twice. For the resets of
    /// `probe`, for `quiesce`, and for a stream that runs over memory it should not.
    CONTROL_NOW: u32 = 0xc00, Command;
    /// Codec write (ES1370): address and value of a register of the AK4531. At the offset of [`SRC`], 16 bits wide.
    AK4531: u16 = 0xc10, Command;
    /// Frame address of DAC1: bus address of the ring. From `probe` on it is never another.
    DAC1_FRAME: u32 = 0xc30, DmaAddress;
    /// Frame size of DAC1: 32-bit words of the ring, less one, in the low half. The high half is how many the chip has
    /// fetched; what is written there is where it goes on.
    DAC1_SIZE: u32 = 0xc34, Doorbell;
    /// Frame address of DAC2.
    DAC2_FRAME: u32 = 0xc38, DmaAddress;
    /// Frame size of DAC2.
    DAC2_SIZE: u32 = 0xc3c, Doorbell;
    /// Frame address of the ADC.
    ADC_FRAME: u32 = 0xd30, DmaAddress;
    /// Frame size of the ADC.
    ADC_SIZE: u32 = 0xd34, Doorbell;
    /// Phantom frame address (ES1370): the chip writes there by mistake now and then. No [`udrv_driver::Kind::DmaAddress`], for
    /// an ES1370 in software does not tell it back (QEMU's).
    PHANTOM_FRAME: u32 = 0xd38, WriteOnly;
    /// Phantom frame count (ES1370).
    PHANTOM_COUNT: u32 = 0xd3c, WriteOnly;
}

/// Frame addresses of DAC1, DAC2 and ADC.
pub const FRAME: [Reg<u32>; 3] = [DAC1_FRAME, DAC2_FRAME, ADC_FRAME];
/// Frame sizes of DAC1, DAC2 and ADC.
pub const SIZE: [Reg<u32>; 3] = [DAC1_SIZE, DAC2_SIZE, ADC_SIZE];

/// Bits of CONTROL.
pub mod control {
    /// Streams run: DAC1, DAC2 and ADC.
    pub const EN: [u32; 3] = [1 << 6, 1 << 5, 1 << 4];
    /// All three.
    pub const EN_ALL: u32 = EN[0] | EN[1] | EN[2];
    /// ES1371: while it is 1 the AC'97 link is woken (warm reset).
    pub const SYNC_RES: u32 = 1 << 14;
    /// ES1371: what comes in at the GPIO pins.
    pub const GPIO_IN: u32 = 0xf << 20;
    /// ES1370: divider of the clock of DAC2 and ADC, less 2: where it begins. 13 bits.
    pub const PCLKDIV_SHIFT: u32 = 16;
    /// ES1370: clock of DAC1: where it begins. Two bits.
    pub const WTSRSEL_SHIFT: u32 = 12;
    /// ES1370: the codec's interface is on.
    pub const CDC_EN: u32 = 1 << 1;
}

/// Bits of STATUS.
pub mod status {
    /// An interrupt is pending.
    pub const INTR: u32 = 1 << 31;
    /// Chips with a bit for it: the codec is let out of its reset.
    pub const AC97_RST: u32 = 1 << 29;
    /// ES1370: the codec is busy, or is being written.
    pub const CSTAT: u32 = 1 << 10;
    /// The end of a period: DAC1, DAC2 and ADC.
    pub const PERIOD: [u32; 3] = [1 << 2, 1 << 1, 1 << 0];
}

/// Bits of SERIAL.
pub mod serial {
    /// DAC2, by what its address goes on after a sample: where it begins.
    pub const P2_END_INC_SHIFT: u32 = 19;
    /// Pauses of DAC1 and DAC2; the ADC has none.
    pub const PAUSE: [u32; 3] = [1 << 11, 1 << 12, 0];
    /// Interrupts of DAC1, DAC2 and ADC. Clearing one acknowledges its interrupt.
    pub const INT_EN: [u32; 3] = [1 << 8, 1 << 9, 1 << 10];
    /// Formats of DAC1, DAC2 and ADC: where they begin.
    pub const MODE_SHIFT: [u32; 3] = [0, 2, 4];
    /// In a format: 16 bits.
    pub const MODE_16: u32 = 1 << 1;
    /// In a format: two channels.
    pub const MODE_STEREO: u32 = 1 << 0;
}

/// Bits of SRC (ES1371).
pub mod src {
    /// Address in the converter's memory: where it begins. Seven bits.
    pub const ADDRESS_SHIFT: u32 = 25;
    /// The data are written there.
    pub const WE: u32 = 1 << 24;
    /// It is not through with the last access.
    pub const BUSY: u32 = 1 << 23;
    /// The converter stands.
    pub const DISABLE: u32 = 1 << 22;
    /// The accumulators of DAC1 and DAC2 stand; the ADC is left alone.
    pub const DIS: [u32; 3] = [1 << 21, 1 << 20, 0];
    /// Three bits that tell, once it is asked, where in its cycle the converter is.
    pub const CYCLE: u32 = 0b111 << 16;
    /// Asks for that, and is the place in the cycle in which data and codec may be touched.
    pub const SAFE: u32 = 0b001 << 16;
}

/// Bits of CODEC (ES1371).
pub mod codec {
    /// What was read is there.
    pub const RDY: u32 = 1 << 31;
    /// An access is under way.
    pub const WIP: u32 = 1 << 30;
    /// The access is a read.
    pub const READ: u32 = 1 << 23;
    /// Register of the codec: where it begins. Seven bits.
    pub const ADDRESS_SHIFT: u32 = 16;
}
