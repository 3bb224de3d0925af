//! The operational registers: names, offsets, widths, kinds and bits.
//!
//! Not here: registers that this driver does not touch (early receive, timer, wake-up, EEPROM, CONFIGx). They are left
//! out on purpose, so that an access to one is a fault. Section numbers are those of the RTL8139D(L) datasheet, rev
//! 1.2; the RTL8139C datasheet has the same registers in its section 6. What a kind means for each is said where it is
//! not obvious.

use udrv_driver::register_map;

register_map! {
    /// ID registers 0 to 3 (section 5): the station address. Written 32 bits at a time, as the datasheet demands.
    /// A command: half an address must not be left behind, so an abort between the halves runs `restore`.
    IDR0: u32 = 0x00, Command;
    /// ID registers 4 and 5, and two reserved bytes.
    IDR4: u32 = 0x04, Command;
    /// Multicast registers 0 to 3 (section 5): low half of the hash filter. Written 32 bits at a time.
    MAR0: u32 = 0x08, Config;
    /// Multicast registers 4 to 7: high half.
    MAR4: u32 = 0x0c, Config;
    /// Transmit status of descriptors 0 to 3 (section 5.2). Writing the size with OWN clear sends the slot.
    TSD[4]: u32 = 0x10, Doorbell;
    /// Transmit start address of descriptors 0 to 3 (section 5): bus address, a multiple of 4.
    TSAD[4]: u32 = 0x20, DmaAddress;
    /// Receive buffer start address (section 5): bus address of the ring.
    RBSTART: u32 = 0x30, DmaAddress;
    /// Command register (section 5.4).
    CR: u8 = 0x37, Command;
    /// Current address of packet read (section 5): the ring's read pointer less 16. Writing it gives room back to the
    /// chip, so it waits for commit: before, the frames it gives up have not been handed on.
    CAPR: u16 = 0x38, Doorbell;
    /// Current buffer address (section 5): where in the ring the chip writes next.
    CBR: u16 = 0x3a, ReadOnly;
    /// Interrupt mask register (section 5.5).
    IMR: u16 = 0x3c, Config;
    /// Interrupt status register (section 5.6).
    ISR: u16 = 0x3e, WriteOneClears;
    /// Transmit configuration register (section 5.7). A command: CLRABT acts at once, and the version bits must be
    /// read from the chip even after a write, which a shadow would not show.
    TCR: u32 = 0x40, Command;
    /// Receive configuration register (section 5.8). A command: an RTL8139 in software may start its ring anew when it
    /// is written (QEMU's does), which writing the old value back would not mend but repeat.
    RCR: u32 = 0x44, Command;
    /// Missed packet counter (section 5), 24 bits; a write of any value clears it. A doorbell: the count is cleared
    /// when the call that took it commits, and stays in the chip when it does not.
    MPC: u32 = 0x4c, Doorbell;
    /// 9346CR, 93C46 command register (section 5.9): here only the lock of IDR and the CONFIG registers. A command,
    /// so that an abort with the lock open runs `restore`, which closes it.
    CR9346: u8 = 0x50, Command;
    /// Media status register (section 5.12). Never written: flow control stays as the EEPROM says.
    MSR: u8 = 0x58, ReadOnly;
    /// Basic mode control register (section 5.18). Never written: the chip negotiates by itself.
    BMCR: u16 = 0x62, ReadOnly;
    /// Basic mode status register (section 5.19). Link is latched low, which is of no use here: MSR has it as it is.
    BMSR: u16 = 0x64, ReadOnly;
    /// Auto-negotiation advertisement register (section 5.20). Never written.
    ANAR: u16 = 0x66, ReadOnly;
    /// Auto-negotiation link partner ability register (section 5.21).
    ANLPAR: u16 = 0x68, ReadOnly;
}

/// Bits of TSD, section 5.2.
pub mod tsd {
    /// Transmit abort: too many collisions. The transmitter stands until TCR.CLRABT.
    pub const TABT: u32 = 1 << 30;
    /// Number of collisions, four bits: where they begin.
    pub const NCC_SHIFT: u32 = 24;
    /// Number of collisions, after the shift.
    pub const NCC_MASK: u32 = 0xf;
    /// Reserved, read 0.
    pub const RESERVED: u32 = 0x3 << 22;
    /// Early transmit threshold, in units of 32 bytes: where it begins. Six bits.
    pub const ERTXTH_SHIFT: u32 = 16;
    /// Those bits; the chip leaves them as they were written.
    pub const ERTXTH: u32 = 0x3f << ERTXTH_SHIFT;
    /// Bytes of the frame; these too.
    pub const SIZE: u32 = 0x1fff;
    /// Sent.
    pub const TOK: u32 = 1 << 15;
    /// The FIFO ran empty on the way; the chip sent the frame again by itself.
    pub const TUN: u32 = 1 << 14;
    /// The chip has read the buffer. Written 0 to hand the slot over.
    pub const OWN: u32 = 1 << 13;
    /// Longest frame that SIZE allows, bytes without CRC: 0x700.
    pub const LONGEST: u32 = 1792;
}

/// Bits of CR, section 5.4.
pub mod cr {
    /// Software reset; clears itself. IDR, MAR and PCI configuration space stay.
    pub const RST: u8 = 1 << 4;
    /// Receiver enable.
    pub const RE: u8 = 1 << 3;
    /// Transmitter enable.
    pub const TE: u8 = 1 << 2;
    /// The receive ring is empty: CAPR and CBR mean the same place.
    pub const BUFE: u8 = 1 << 0;
    /// What a bus without a device reads: three reserved bits of CR would be 0.
    pub const NOBODY: u8 = 0xff;
}

/// Bits of ISR and IMR, sections 5.5 and 5.6.
pub mod isr {
    /// System error on the PCI bus.
    pub const SERR: u16 = 1 << 15;
    /// The receive FIFO overflowed.
    pub const FOVW: u16 = 1 << 6;
    /// CAPR was written with nothing in the ring, or the link changed.
    pub const PUN_LINKCHG: u16 = 1 << 5;
    /// The receive ring is full.
    pub const RXOVW: u16 = 1 << 4;
    /// A frame could not be sent.
    pub const TER: u16 = 1 << 3;
    /// A frame was sent.
    pub const TOK: u16 = 1 << 2;
    /// A frame with a bad CRC or alignment came.
    pub const RER: u16 = 1 << 1;
    /// A good frame came.
    pub const ROK: u16 = 1 << 0;

    /// Both ways of having no room for a frame.
    pub const OVERFLOW: u16 = RXOVW | FOVW;
    /// What this driver lets interrupt: all but the timer and the cable length.
    pub const CAUSES: u16 = SERR | OVERFLOW | PUN_LINKCHG | TER | TOK | RER | ROK;
}

/// Bits of TCR, section 5.7.
pub mod tcr {
    /// Bits of the hardware version, HWVERID: 30 to 26, 23 and 22. Names are in `version.rs`.
    pub const HWVERID: u32 = 0x7cc0_0000;
    /// Interframe gap of 9.6 us at 10 Mbit/s and 960 ns at 100 Mbit/s: what IEEE 802.3 asks for.
    pub const IFG_STANDARD: u32 = 0b11 << 24;
    /// Largest DMA burst of 1024 bytes, one below the largest: a whole frame in two.
    pub const MXDMA_1024: u32 = 0b110 << 8;
    /// Sends the aborted slot again. Only allowed after an abort; reads 0.
    pub const CLRABT: u32 = 1 << 0;

    /// How this driver runs the transmitter: TXRR 0, that is 16 attempts a frame, as IEEE 802.3 has it.
    pub const RUN: u32 = IFG_STANDARD | MXDMA_1024;
}

/// Bits of RCR, section 5.8.
pub mod rcr {
    /// No receive threshold: a frame goes to memory when it is whole.
    pub const RXFTH_WHOLE: u32 = 0b111 << 13;
    /// Ring of 8 KiB << this field, plus 16 bytes: where it begins. Two bits.
    pub const RBLEN_SHIFT: u32 = 11;
    /// Ring of 32 KiB + 16 bytes.
    pub const RBLEN_32K: u32 = 0b10 << RBLEN_SHIFT;
    /// Unlimited DMA bursts.
    pub const MXDMA_UNLIMITED: u32 = 0b111 << 8;
    /// A frame that reaches the end of the ring goes on behind it, in one piece.
    pub const WRAP: u32 = 1 << 7;
    /// Accept broadcast.
    pub const AB: u32 = 1 << 3;
    /// Accept multicast that MAR lets pass.
    pub const AM: u32 = 1 << 2;
    /// Accept frames to IDR.
    pub const APM: u32 = 1 << 1;
    /// Accept frames to anyone.
    pub const AAP: u32 = 1 << 0;

    /// How this driver runs the receiver; the accept bits come on top. AR and AER stay 0: no runts, no bad frames.
    pub const RUN: u32 = RXFTH_WHOLE | RBLEN_32K | MXDMA_UNLIMITED | WRAP;
}

/// Values of 9346CR, section 5.9.
pub mod cr9346 {
    /// EEM1 and EEM0 clear: normal mode, locked.
    pub const LOCKED: u8 = 0;
    /// EEM1 and EEM0 set: configuration registers can be written.
    pub const CONFIG_WRITE: u8 = 0b11 << 6;
}

/// Bits of MSR, section 5.12.
pub mod msr {
    /// 10 Mbit/s, else 100.
    pub const SPEED_10: u8 = 1 << 3;
    /// No link.
    pub const LINKB: u8 = 1 << 2;
}
