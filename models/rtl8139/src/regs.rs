//! The operational registers: offsets and bits, RTL8139D datasheet rev 1.2, register descriptions (RTL8139C rev 1.4 alike).
//!
//! Only names and numbers; what a register does is where its part of the chip is.

/// Bytes of the operational registers, in I/O and in memory space.
pub const SIZE: u64 = 0x100;

/// ID registers 0 to 5: the station address. Written 32 bits at a time.
pub const IDR0: u8 = 0x00;
/// ID registers 4 and 5.
pub const IDR4: u8 = 0x04;
/// Multicast registers 0 to 7: the hash filter. Written 32 bits at a time.
pub const MAR0: u8 = 0x08;
/// Multicast registers 4 to 7.
pub const MAR4: u8 = 0x0c;
/// Transmit status of descriptor 0; four registers. Written 32 bits at a time.
pub const TSD0: u8 = 0x10;
/// Transmit start address of descriptor 0; four registers.
pub const TSAD0: u8 = 0x20;
/// Receive buffer start address.
pub const RBSTART: u8 = 0x30;
/// Early receive byte count, 16 bits; ERSR at 0x36 (8 bits) and CR at 0x37 (8 bits) share its double word.
pub const ERBCR: u8 = 0x34;
/// Command register, 8 bits.
pub const CR: u8 = 0x37;
/// Current address of packet read, 16 bits.
pub const CAPR: u8 = 0x38;
/// Current buffer address, 16 bits, read only.
pub const CBR: u8 = 0x3a;
/// Interrupt mask, 16 bits.
pub const IMR: u8 = 0x3c;
/// Interrupt status, 16 bits.
pub const ISR: u8 = 0x3e;
/// Transmit configuration.
pub const TCR: u8 = 0x40;
/// Receive configuration.
pub const RCR: u8 = 0x44;
/// Timer count.
pub const TCTR: u8 = 0x48;
/// Missed packet counter, 24 bits.
pub const MPC: u8 = 0x4c;
/// 93C46 command register, 8 bits.
pub const CR9346: u8 = 0x50;
/// CONFIG0, 8 bits, read only.
pub const CONFIG0: u8 = 0x51;
/// CONFIG1, 8 bits.
pub const CONFIG1: u8 = 0x52;
/// Timer interrupt.
pub const TIMERINT: u8 = 0x54;
/// Media status, 8 bits.
pub const MSR: u8 = 0x58;
/// CONFIG3, 8 bits.
pub const CONFIG3: u8 = 0x59;
/// CONFIG4, 8 bits.
pub const CONFIG4: u8 = 0x5a;
/// Multiple interrupt select, 16 bits.
pub const MULINT: u8 = 0x5c;
/// PCI revision id, 8 bits, read only.
pub const RERID: u8 = 0x5e;
/// Transmit status of all descriptors, 16 bits, read only.
pub const TSAD: u8 = 0x60;
/// Basic mode control, 16 bits.
pub const BMCR: u8 = 0x62;
/// Basic mode status, 16 bits, read only.
pub const BMSR: u8 = 0x64;
/// Auto-negotiation advertisement, 16 bits.
pub const ANAR: u8 = 0x66;
/// Auto-negotiation link partner ability, 16 bits, read only.
pub const ANLPAR: u8 = 0x68;
/// Auto-negotiation expansion, 16 bits, read only.
pub const ANER: u8 = 0x6a;
/// Disconnect counter, 16 bits, read only.
pub const DIS: u8 = 0x6c;
/// False carrier sense counter, 16 bits.
pub const FCSC: u8 = 0x6e;
/// N-way test, 16 bits.
pub const NWAYTR: u8 = 0x70;
/// RX_ER counter, 16 bits.
pub const REC: u8 = 0x72;
/// CS configuration, 16 bits.
pub const CSCR: u8 = 0x74;
/// PHY parameter 1.
pub const PHY1_PARM: u8 = 0x78;
/// Twister parameter.
pub const TW_PARM: u8 = 0x7c;
/// PHY parameter 2, 8 bits.
pub const PHY2_PARM: u8 = 0x80;
/// Power management CRC of wake-up frames 0 to 7, 8 bits each; the wake-up frames and LSBCRC0-7 follow it
/// without a gap up to 0xd3.
pub const CRC0: u8 = 0x84;
/// First offset behind the wake-up registers.
pub const WAKEUP_END: u8 = 0xd4;
/// CONFIG5, 8 bits.
pub const CONFIG5: u8 = 0xd8;

/// Bits of TSD.
pub mod tsd {
    /// Carrier sense lost while sending.
    pub const CRS: u32 = 1 << 31;
    /// Aborted.
    pub const TABT: u32 = 1 << 30;
    /// Transmitted without underrun.
    pub const TOK: u32 = 1 << 15;
    /// Transmit FIFO ran empty.
    pub const TUN: u32 = 1 << 14;
    /// The chip is done with the buffer; the driver clears it to start.
    pub const OWN: u32 = 1 << 13;
    /// Early transmit threshold, units of 32 bytes.
    pub const ERTXTH: u32 = 0x3f << 16;
    /// Frame length in bytes.
    pub const SIZE: u32 = 0x1fff;
}

/// Bits of CR.
pub mod cr {
    /// Software reset; clears itself.
    pub const RST: u8 = 1 << 4;
    /// Receiver enable.
    pub const RE: u8 = 1 << 3;
    /// Transmitter enable.
    pub const TE: u8 = 1 << 2;
    /// Receive buffer empty, read only.
    pub const BUFE: u8 = 1 << 0;
}

/// Bits of ISR and IMR.
pub mod isr {
    /// System error on the PCI bus.
    pub const SERR: u16 = 1 << 15;
    /// TCTR reached TimerInt.
    pub const TIMEOUT: u16 = 1 << 14;
    /// Cable length changed.
    pub const LENCHG: u16 = 1 << 13;
    /// Receive FIFO overflow.
    pub const FOVW: u16 = 1 << 6;
    /// Packet underrun, or link change.
    pub const PUN_LINKCHG: u16 = 1 << 5;
    /// Receive buffer overflow.
    pub const RXOVW: u16 = 1 << 4;
    /// Transmit error.
    pub const TER: u16 = 1 << 3;
    /// Transmit OK.
    pub const TOK: u16 = 1 << 2;
    /// Receive error.
    pub const RER: u16 = 1 << 1;
    /// Receive OK.
    pub const ROK: u16 = 1 << 0;
    /// All bits that exist.
    pub const ALL: u16 = SERR | TIMEOUT | LENCHG | FOVW | PUN_LINKCHG | RXOVW | TER | TOK | RER | ROK;
}

/// Bits of TCR.
pub mod tcr {
    /// Interframe gap.
    pub const IFG: u32 = 3 << 24;
    /// Loopback when both are set.
    pub const LBK: u32 = 3 << 17;
    /// Set: no CRC is appended.
    pub const CRC: u32 = 1 << 16;
    /// Largest DMA burst.
    pub const MXDMA: u32 = 7 << 8;
    /// Retry count.
    pub const TXRR: u32 = 0xf << 4;
    /// Clear abort: retransmit the aborted descriptor. Reads 0.
    pub const CLRABT: u32 = 1 << 0;
    /// Bits that keep what is written.
    pub const WRITABLE: u32 = IFG | LBK | CRC | MXDMA | TXRR;
}

/// Bits of RCR.
pub mod rcr {
    /// Accept frames with errors (64 bytes and more).
    pub const AER: u32 = 1 << 5;
    /// Accept runts.
    pub const AR: u32 = 1 << 4;
    /// Accept broadcast.
    pub const AB: u32 = 1 << 3;
    /// Accept multicast that passes the hash.
    pub const AM: u32 = 1 << 2;
    /// Accept frames to our address.
    pub const APM: u32 = 1 << 1;
    /// Accept all.
    pub const AAP: u32 = 1 << 0;
    /// A frame that reaches the end of the ring goes on behind it, not at its start.
    pub const WRAP: u32 = 1 << 7;
    /// Ring size: 8 KiB << this field.
    pub const RBLEN_SHIFT: u32 = 11;
    /// Bits that keep what is written: ERTH, MulERINT, RER8, RXFTH, RBLEN, MXDMA, WRAP and the accept bits.
    pub const WRITABLE: u32 = 0x0f03_ffbf;
}

/// The status half of the header that stands before each received frame (datasheet, receive status register in the packet header).
pub mod rx {
    /// Multicast.
    pub const MAR: u16 = 1 << 15;
    /// To our address.
    pub const PAM: u16 = 1 << 14;
    /// Broadcast.
    pub const BAR: u16 = 1 << 13;
    /// Shorter than 64 bytes with CRC.
    pub const RUNT: u16 = 1 << 4;
    /// Longer than 4 KiB.
    pub const LONG: u16 = 1 << 3;
    /// The CRC does not fit.
    pub const CRC: u16 = 1 << 2;
    /// Good frame.
    pub const ROK: u16 = 1 << 0;
}

/// Bits of 9346CR.
pub mod eecr {
    /// Mode field, two bits.
    pub const EEM: u8 = 3 << 6;
    /// Load the registers from the EEPROM; goes back to normal by itself.
    pub const AUTO_LOAD: u8 = 1 << 6;
    /// The EEPROM's pins are driven by the bits below.
    pub const PROGRAM: u8 = 2 << 6;
    /// CONFIG0, 1, 3, 4 and BMCR bits 13, 12, 8 may be written.
    pub const CONFIG_WRITE: u8 = 3 << 6;
    /// Chip select.
    pub const EECS: u8 = 1 << 3;
    /// Clock.
    pub const EESK: u8 = 1 << 2;
    /// Data into the EEPROM.
    pub const EEDI: u8 = 1 << 1;
    /// Data out of the EEPROM, read only.
    pub const EEDO: u8 = 1 << 0;
}

/// Bits of BMCR and BMSR.
pub mod mii {
    /// BMCR: reset the PHY registers; clears itself.
    pub const RESET: u16 = 1 << 15;
    /// BMCR: 100 Mbit/s.
    pub const SPD_SET: u16 = 1 << 13;
    /// BMCR: auto-negotiation enable.
    pub const ANE: u16 = 1 << 12;
    /// BMCR: restart auto-negotiation; clears itself.
    pub const RESTART: u16 = 1 << 9;
    /// BMCR: full duplex.
    pub const DUPLEX: u16 = 1 << 8;
    /// BMSR: auto-negotiation complete.
    pub const AN_COMPLETE: u16 = 1 << 5;
    /// BMSR: link; latched low until read.
    pub const LINK: u16 = 1 << 2;
    /// BMSR bits that never change: 100 and 10 Mbit/s in both duplex modes, auto-negotiation, extended registers.
    pub const ABILITIES: u16 = 0x7809;
}

/// Bits of MSR.
pub mod msr {
    /// Transmit flow control enable; writable.
    pub const TXFCE: u8 = 1 << 7;
    /// Receive flow control enabled.
    pub const RXFCE: u8 = 1 << 6;
    /// Auxiliary power present.
    pub const AUX_STATUS: u8 = 1 << 4;
    /// 10 Mbit/s.
    pub const SPEED_10: u8 = 1 << 3;
    /// Link fails (the inverse of link).
    pub const LINKB: u8 = 1 << 2;
}
