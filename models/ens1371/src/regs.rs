//! The 64 bytes of I/O, and the RAM of the sample rate converter: offsets and bits, with the names of the AudioPCI 97
//! specification, rev 1.1, section 7.
//!
//! Only names and numbers; what a register does is where its part of the chip is. The codec's registers are in
//! [`crate::codec`].

/// Bytes of I/O.
pub const SIZE: u32 = 64;

/// Interrupt/Chip Select Control.
pub const CONTROL: u8 = 0x00;
/// Interrupt/Chip Select Status.
pub const STATUS: u8 = 0x04;
/// UART: data, then status (read) and control (write), then a reserved byte.
pub const UART: u8 = 0x08;
/// Memory Page: which 16 bytes of memory are at [`MEMORY`].
pub const MEM_PAGE: u8 = 0x0c;
/// Sample Rate Converter Interface. Double word only.
pub const SRC: u8 = 0x10;
/// CODEC Write/Read. Double word only.
pub const CODEC: u8 = 0x14;
/// Legacy Control/Status.
pub const LEGACY: u8 = 0x18;
/// S/PDIF channel status: ES1373 and CT5880.
pub const CHANNEL_STATUS: u8 = 0x1c;
/// Serial Interface Control.
pub const SERIAL: u8 = 0x20;
/// DAC1 Channel Sample Count: current in the upper half, minus one in the lower.
pub const DAC1_COUNT: u8 = 0x24;
/// DAC2 Channel Sample Count.
pub const DAC2_COUNT: u8 = 0x28;
/// ADC Channel Sample Count.
pub const ADC_COUNT: u8 = 0x2c;
/// 16 bytes of memory, the page that [`MEM_PAGE`] says. Double words only.
pub const MEMORY: u8 = 0x30;

/// Memory page of the DACs' frame registers.
pub const PAGE_DAC: u8 = 0xc;
/// Memory page of the ADC's frame registers.
pub const PAGE_ADC: u8 = 0xd;
/// In [`PAGE_DAC`]: DAC1 frame, a bus address.
pub const DAC1_FRAME: u8 = 0x30;
/// In [`PAGE_DAC`]: double words transferred in the upper half, those of the buffer minus one in the lower.
pub const DAC1_SIZE: u8 = 0x34;
/// In [`PAGE_DAC`]: as [`DAC1_FRAME`].
pub const DAC2_FRAME: u8 = 0x38;
/// In [`PAGE_DAC`]: as [`DAC1_SIZE`].
pub const DAC2_SIZE: u8 = 0x3c;
/// In [`PAGE_ADC`]: as [`DAC1_FRAME`].
pub const ADC_FRAME: u8 = 0x30;
/// In [`PAGE_ADC`]: as [`DAC1_SIZE`].
pub const ADC_SIZE: u8 = 0x34;

/// Bits of [`CONTROL`].
pub mod control {
    /// Warm reset of the AC link, while it is set.
    pub const SYNC_RES: u32 = 1 << 14;
    /// DAC1 plays.
    pub const DAC1_EN: u32 = 1 << 6;
    /// DAC2 plays.
    pub const DAC2_EN: u32 = 1 << 5;
    /// The ADC records.
    pub const ADC_EN: u32 = 1 << 4;
    /// UART.
    pub const UART_EN: u32 = 1 << 3;
    /// Game port.
    pub const JYSTK_EN: u32 = 1 << 2;
    /// What keeps what is written: all but the general purpose inputs.
    pub const WRITABLE: u32 = !(0xf << 20);
}

/// Bits of [`STATUS`].
pub mod status {
    /// One of the causes below.
    pub const INTR: u32 = 1 << 31;
    /// ES1373 rev 8 and CT5880: the codec is out of reset. Can be written.
    pub const AC97_RST: u32 = 1 << 29;
    /// The sample counter of DAC1 has run out.
    pub const DAC1: u32 = 1 << 2;
    /// That of DAC2.
    pub const DAC2: u32 = 1 << 1;
    /// That of the ADC.
    pub const ADC: u32 = 1 << 0;
    /// All causes that are modelled.
    pub const CAUSES: u32 = DAC1 | DAC2 | ADC;
    /// What keeps what is written in the chips that have S/PDIF: AC97_RST, rear mode, GPIO interrupts, S/PDIF.
    pub const WRITABLE_SPDIF: u32 = AC97_RST | 0b1101 << 24 | 0xf << 20 | 0b11 << 17;
}

/// Bits of the UART's status.
pub mod uart {
    /// Ready to send.
    pub const TXRDY: u8 = 1 << 1;
}

/// Bits of [`SRC`].
pub mod src {
    /// Address in the converter's RAM.
    #[must_use]
    pub const fn address(at: u8) -> u32 {
        (at as u32 & 0x7f) << 25
    }
    /// The data is written.
    pub const RAM_WE: u32 = 1 << 24;
    /// The RAM is busy.
    pub const RAM_BUSY: u32 = 1 << 23;
    /// The converter stands.
    pub const DISABLE: u32 = 1 << 22;
    /// The accumulator of DAC1 stands.
    pub const DIS_P1: u32 = 1 << 21;
    /// That of DAC2.
    pub const DIS_P2: u32 = 1 << 20;
    /// That of the ADC.
    pub const DIS_R1: u32 = 1 << 19;
    /// All of these.
    pub const CONTROLS: u32 = DISABLE | DIS_P1 | DIS_P2 | DIS_R1;
    /// Written: shows the converter's state, which is a number in these bits and the two above. Not in the specification.
    pub const STATE: u32 = 1 << 16;
    /// All three bits of the state.
    pub const STATES: u32 = 0b111 << 16;
    /// Data.
    pub const DATA: u32 = 0xffff;

    /// Words of RAM.
    pub const WORDS: usize = 128;
    /// DAC1: first of four words.
    pub const DAC1: u8 = 0x70;
    /// DAC2: first of four words.
    pub const DAC2: u8 = 0x74;
    /// ADC: first of four words.
    pub const ADC: u8 = 0x78;
    /// Word of the four: N in bits 4 to 8, and where the filter begins.
    pub const TRUNC_N: u8 = 0;
    /// Word of the four: whole part of the frequency in bits 10 to 15.
    pub const INT_REGS: u8 = 1;
    /// Word of the four: fraction of the accumulator.
    pub const ACCUM_FRAC: u8 = 2;
    /// Word of the four: fraction of the frequency, 15 bits.
    pub const VFREQ_FRAC: u8 = 3;
    /// Volume of the ADC, left, and right behind it.
    pub const VOL_ADC: u8 = 0x6c;
    /// Volume of DAC1.
    pub const VOL_DAC1: u8 = 0x7c;
    /// Volume of DAC2.
    pub const VOL_DAC2: u8 = 0x7e;
}

/// Bits of [`CODEC`].
pub mod codec {
    /// Data of the last read is there.
    pub const RDY: u32 = 1 << 31;
    /// An access is in progress.
    pub const WIP: u32 = 1 << 30;
    /// The access is a read.
    pub const PIRD: u32 = 1 << 23;

    /// What starts a write.
    #[must_use]
    pub const fn write(register: u8, value: u16) -> u32 {
        (register as u32 & 0x7f) << 16 | value as u32
    }

    /// What starts a read.
    #[must_use]
    pub const fn read(register: u8) -> u32 {
        (register as u32 & 0x7f) << 16 | PIRD
    }
}

/// Bits of [`LEGACY`].
pub mod legacy {
    /// No legacy event has interrupted.
    pub const LEGINT: u32 = 1 << 0;
}

/// Bits of [`SERIAL`].
pub mod serial {
    /// ADC: stop mode, not loop mode.
    pub const R1_LOOP_SEL: u32 = 1 << 15;
    /// The same of DAC2.
    pub const P2_LOOP_SEL: u32 = 1 << 14;
    /// The same of DAC1.
    pub const P1_LOOP_SEL: u32 = 1 << 13;
    /// DAC2 pauses.
    pub const P2_PAUSE: u32 = 1 << 12;
    /// DAC1 pauses.
    pub const P1_PAUSE: u32 = 1 << 11;
    /// The ADC may interrupt; cleared, its cause is gone.
    pub const R1_INT_EN: u32 = 1 << 10;
    /// The same of DAC2.
    pub const P2_INT_EN: u32 = 1 << 9;
    /// The same of DAC1.
    pub const P1_INT_EN: u32 = 1 << 8;
    /// The sample counter of DAC1 is loaded.
    pub const P1_SCT_RLD: u32 = 1 << 7;
    /// DAC2 in stop mode: its last sample again and again, not zeros.
    pub const P2_DAC_SEN: u32 = 1 << 6;
    /// Lowest bit of the ADC's format: [`STEREO`] and [`BITS_16`].
    pub const R1_MODE: u32 = 4;
    /// That of DAC2.
    pub const P2_MODE: u32 = 2;
    /// That of DAC1.
    pub const P1_MODE: u32 = 0;
    /// Of a format: two channels.
    pub const STEREO: u32 = 0b01;
    /// Of a format: signed 16 bits, little-endian, not unsigned 8.
    pub const BITS_16: u32 = 0b10;
    /// What keeps what is written.
    pub const WRITABLE: u32 = 0x007f_ffff;
}
