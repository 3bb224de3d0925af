//! The operational registers and descriptors: offsets and bits, RTL8169S datasheet rev 1.2 and the RTL8168B one.
//!
//! Only names and numbers; what a register does is where its part of the chip is.

/// Bytes of the operational registers, in I/O and in memory space. The memory BAR of the RTL8168B is larger; what lies
/// behind the registers reads 0.
pub const SIZE: u32 = 0x100;

/// ID registers 0 to 3: the station address. Written 32 bits at a time, and only while 9346CR allows it.
pub const IDR0: u8 = 0x00;
/// ID registers 4 and 5.
pub const IDR4: u8 = 0x04;
/// Multicast registers 0 to 3: the hash filter. Written 32 bits at a time.
pub const MAR0: u8 = 0x08;
/// Multicast registers 4 to 7.
pub const MAR4: u8 = 0x0c;
/// Dump tally counter command: bus address, a multiple of 64, and [`dtccr::CMD`].
pub const DTCCR: u8 = 0x10;
/// Its upper half.
pub const DTCCR_HIGH: u8 = 0x14;
/// Transmit normal priority descriptors, bus address, a multiple of 256.
pub const TNPDS: u8 = 0x20;
/// Its upper half.
pub const TNPDS_HIGH: u8 = 0x24;
/// Transmit high priority descriptors, bus address, a multiple of 256.
pub const THPDS: u8 = 0x28;
/// Its upper half.
pub const THPDS_HIGH: u8 = 0x2c;
/// Flash memory read and write: kept, without effect.
pub const FLASH: u8 = 0x30;
/// Command register, 8 bits.
pub const CR: u8 = 0x37;
/// Transmit priority polling, 8 bits.
pub const TPPOLL: u8 = 0x38;
/// Interrupt mask, 16 bits.
pub const IMR: u8 = 0x3c;
/// Interrupt status, 16 bits.
pub const ISR: u8 = 0x3e;
/// Transmit configuration, and the version of the chip.
pub const TCR: u8 = 0x40;
/// Receive configuration.
pub const RCR: u8 = 0x44;
/// Timer count.
pub const TCTR: u8 = 0x48;
/// Missed packet counter, 24 bits.
pub const MPC: u8 = 0x4c;
/// 93C46 command register, 8 bits.
pub const CR9346: u8 = 0x50;
/// CONFIG0, 8 bits, read only; CONFIG1 to 5 follow it.
pub const CONFIG0: u8 = 0x51;
/// CONFIG1, 8 bits.
pub const CONFIG1: u8 = 0x52;
/// CONFIG2, 8 bits.
pub const CONFIG2: u8 = 0x53;
/// CONFIG3, 8 bits.
pub const CONFIG3: u8 = 0x54;
/// CONFIG4, 8 bits.
pub const CONFIG4: u8 = 0x55;
/// CONFIG5, 8 bits.
pub const CONFIG5: u8 = 0x56;
/// Timer interrupt.
pub const TIMERINT: u8 = 0x58;
/// Multiple interrupt select, 16 bits: kept, without effect.
pub const MULINT: u8 = 0x5c;
/// PHY access.
pub const PHYAR: u8 = 0x60;
/// PCI chips: ten-bit interface control and status, kept without effect.
pub const TBICSR0: u8 = 0x64;
/// RTL8168B: data of configuration space, at the same place.
pub const CSIDR: u8 = 0x64;
/// PCI chips: ten-bit interface advertisement and partner ability, kept without effect.
pub const TBI_ANAR: u8 = 0x68;
/// RTL8168B: access of configuration space, at the same place.
pub const CSIAR: u8 = 0x68;
/// PHY status, 8 bits, read only.
pub const PHYSTATUS: u8 = 0x6c;
/// Power management control of the RTL8168B, 8 bits: kept, without effect.
pub const PMCH: u8 = 0x6f;
/// Undocumented; some drivers write magic values: kept, without effect.
pub const MAGIC: u8 = 0x7c;
/// RTL8168B: access of the PCIe PHY.
pub const EPHYAR: u8 = 0x80;
/// Wake-up frames and their CRCs, to 0xd3: kept, without effect. The RTL8168B has DBG_REG among them.
pub const WAKEUP: u8 = 0x84;
/// First offset behind the wake-up registers.
pub const WAKEUP_END: u8 = 0xd4;
/// Receive packet maximum size, 16 bits, bytes with CRC.
pub const RMS: u8 = 0xda;
/// C+ command register, 16 bits.
pub const CPCR: u8 = 0xe0;
/// Interrupt mitigation, 16 bits.
pub const INTRMITIGATE: u8 = 0xe2;
/// Receive descriptor start address, a multiple of 256.
pub const RDSAR: u8 = 0xe4;
/// Its upper half.
pub const RDSAR_HIGH: u8 = 0xe8;
/// Early transmit threshold; largest frame to send in the RTL8168B. 8 bits, kept, without effect.
pub const ETTHR: u8 = 0xec;
/// Function event registers of `CardBus`, to 0xff: kept, without effect.
pub const FUNCTION_EVENTS: u8 = 0xf0;

/// Bits of DTCCR.
pub mod dtccr {
    /// Write the counters to memory; clears itself when done.
    pub const CMD: u32 = 1 << 3;
    /// Bytes that are written.
    pub const SIZE: usize = 64;
}

/// Bits of CR.
pub mod cr {
    /// Software reset; clears itself.
    pub const RST: u8 = 1 << 4;
    /// Receiver enable.
    pub const RE: u8 = 1 << 3;
    /// Transmitter enable.
    pub const TE: u8 = 1 << 2;
}

/// Bits of TPPOLL.
pub mod tppoll {
    /// There is something in the high priority ring.
    pub const HPQ: u8 = 1 << 7;
    /// There is something in the normal priority ring.
    pub const NPQ: u8 = 1 << 6;
    /// Forced software interrupt.
    pub const FSWINT: u8 = 1 << 0;
}

/// Bits of ISR and IMR.
pub mod isr {
    /// System error on the PCI bus.
    pub const SERR: u16 = 1 << 15;
    /// TCTR reached TimerInt.
    pub const TIMEOUT: u16 = 1 << 14;
    /// TPPoll.FSWInt was written.
    pub const SWINT: u16 = 1 << 8;
    /// No transmit descriptor left.
    pub const TDU: u16 = 1 << 7;
    /// Receive FIFO overflow.
    pub const FOVW: u16 = 1 << 6;
    /// The link changed.
    pub const LINKCHG: u16 = 1 << 5;
    /// No receive descriptor left.
    pub const RDU: u16 = 1 << 4;
    /// Transmit error.
    pub const TER: u16 = 1 << 3;
    /// Transmit OK.
    pub const TOK: u16 = 1 << 2;
    /// Receive error.
    pub const RER: u16 = 1 << 1;
    /// Receive OK.
    pub const ROK: u16 = 1 << 0;
    /// All bits that exist.
    pub const ALL: u16 = SERR | TIMEOUT | SWINT | TDU | FOVW | LINKCHG | RDU | TER | TOK | RER | ROK;
}

/// Bits of TCR.
pub mod tcr {
    /// Interframe gap.
    pub const IFG: u32 = 3 << 24;
    /// Loopback unless 0.
    pub const LBK: u32 = 3 << 17;
    /// Bits that keep what is written: IFG, IFG2, LBK, CRC, MXDMA.
    pub const WRITABLE: u32 = IFG | 1 << 19 | LBK | 1 << 16 | 7 << 8;
}

/// Bits of RCR.
pub mod rcr {
    /// Accept frames with errors.
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
    /// Bits that keep what is written: MulERINT, RER8, RXFTH, MXDMA and the accept bits.
    pub const WRITABLE: u32 = 0x0101_e73f;
}

/// Bits of 9346CR.
pub mod eecr {
    /// Mode field, two bits.
    pub const EEM: u8 = 3 << 6;
    /// Load the registers from the EEPROM; goes back to normal by itself.
    pub const AUTO_LOAD: u8 = 1 << 6;
    /// The EEPROM's pins are driven by the bits below.
    pub const PROGRAM: u8 = 2 << 6;
    /// IDR and CONFIG1 to 5 may be written.
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

/// Bits of CONFIG4.
pub mod config4 {
    /// The RTL8168B but the first, undocumented: frames above the usual length.
    pub const JUMBO: u8 = 1 << 0;
}

/// Bits of PHYAR, EPHYAR and CSIAR.
pub mod phyar {
    /// Written 1 to write, and 0 when done; written 0 to read, and 1 when done.
    pub const FLAG: u32 = 1 << 31;
    /// The register: where it begins, five bits. Not in CSIAR, which has a byte address of twelve bits.
    pub const REG_SHIFT: u32 = 16;
}

/// Bits of PHYSTATUS.
pub mod phystatus {
    /// Transmit flow control.
    pub const TX_FLOW: u8 = 1 << 6;
    /// Receive flow control.
    pub const RX_FLOW: u8 = 1 << 5;
    /// 1000 Mbit/s.
    pub const SPEED_1000: u8 = 1 << 4;
    /// 100 Mbit/s.
    pub const SPEED_100: u8 = 1 << 3;
    /// 10 Mbit/s.
    pub const SPEED_10: u8 = 1 << 2;
    /// There is a link.
    pub const LINK: u8 = 1 << 1;
    /// Full duplex.
    pub const FULL: u8 = 1 << 0;
}

/// Bits of CPCR.
pub mod cpcr {
    /// Tags are taken out of received frames.
    pub const RXVLAN: u16 = 1 << 6;
    /// Checksums of received frames are looked at.
    pub const RXCHKSUM: u16 = 1 << 5;
    /// PCI chips: upper halves of bus addresses count.
    pub const DAC: u16 = 1 << 4;
    /// PCI memory read and write multiple.
    pub const MULRW: u16 = 1 << 3;
    /// How long the steps of interrupt mitigation are.
    pub const INTT: u16 = 3;
}

/// First word of every descriptor.
pub mod desc {
    /// Bytes of a descriptor: two words, and a bus address.
    pub const SIZE: u64 = 16;
    /// Descriptors that a ring has at most.
    pub const MOST: u16 = 1024;
    /// The chip's.
    pub const OWN: u32 = 1 << 31;
    /// End of ring.
    pub const EOR: u32 = 1 << 30;
    /// First of a frame.
    pub const FS: u32 = 1 << 29;
    /// Last of a frame.
    pub const LS: u32 = 1 << 28;
}

/// Transmit descriptors.
pub mod txd {
    /// First word: large send, see [`MSS_SHIFT`].
    pub const LGSEN: u32 = 1 << 27;
    /// First word with LGSEN: maximum segment size, eleven bits.
    pub const MSS_SHIFT: u32 = 16;
    /// First word without LGSEN: insert the checksum of the IPv4 header.
    pub const IPCS: u32 = 1 << 18;
    /// First word without LGSEN: insert the UDP checksum.
    pub const UDPCS: u32 = 1 << 17;
    /// First word without LGSEN: insert the TCP checksum.
    pub const TCPCS: u32 = 1 << 16;
    /// First word: length of the buffer, bytes.
    pub const LENGTH: u32 = 0xffff;
    /// Second word: insert the tag in the lower half, its bytes in the order of the wire.
    pub const TAGC: u32 = 1 << 17;
}

/// Receive descriptors.
pub mod rxd {
    /// First word: multicast.
    pub const MAR: u32 = 1 << 27;
    /// To our address.
    pub const PAM: u32 = 1 << 26;
    /// Broadcast.
    pub const BAR: u32 = 1 << 25;
    /// Longer than RMS.
    pub const RWT: u32 = 1 << 22;
    /// Any of RWT, RUNT, CRC.
    pub const RES: u32 = 1 << 21;
    /// Shorter than 64 bytes with CRC.
    pub const RUNT: u32 = 1 << 20;
    /// The CRC does not fit.
    pub const CRC: u32 = 1 << 19;
    /// Protocol: IPv4, neither TCP nor UDP; or the bit of UDP.
    pub const PID1: u32 = 1 << 18;
    /// Protocol: the bit of TCP.
    pub const PID0: u32 = 1 << 17;
    /// The IPv4 header's checksum is wrong.
    pub const IPF: u32 = 1 << 16;
    /// The UDP checksum is wrong.
    pub const UDPF: u32 = 1 << 15;
    /// The TCP checksum is wrong.
    pub const TCPF: u32 = 1 << 14;
    /// Size of the buffer; length of the frame with CRC when done.
    pub const LENGTH: u32 = 0x3fff;
    /// All that is neither OWN, EOR nor length.
    pub const STATUS: u32 = 0x3fff_c000;
    /// Second word: a tag was taken out, it is in the lower half, its bytes in the order of the wire.
    pub const TAVA: u32 = 1 << 16;
}

/// Registers of the PHY, and bits of BMCR and BMSR.
pub mod mii {
    pub use model_wire::mii::*;

    /// 1000BASE-T control.
    pub const GBCR: u8 = 9;
    /// 1000BASE-T status.
    pub const GBSR: u8 = 10;
    /// Extended status.
    pub const GBESR: u8 = 15;
    /// Page select: registers of pages but 0 are kept, without effect.
    pub const PAGE: u8 = 31;
}
