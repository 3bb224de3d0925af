//! The registers: offsets and bits, by the names of the PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual, chapter 13.
//!
//! Only names and numbers; what a register does is where its part of the chip is. Every register has 32 bits.

/// Bytes of BAR 0, memory space.
pub const SIZE: u32 = 0x2_0000;
/// Bytes of BAR 1, I/O space.
pub const IO_SIZE: u32 = 64;
/// In I/O space: which register IODATA is.
pub const IOADDR: u32 = 0x0;
/// In I/O space: the register that IOADDR names.
pub const IODATA: u32 = 0x4;

/// Device control.
pub const CTRL: u32 = 0x0000;
/// Device status, read only.
pub const STATUS: u32 = 0x0008;
/// EEPROM control and data: its pins.
pub const EECD: u32 = 0x0010;
/// EEPROM read. Not in the 82544.
pub const EERD: u32 = 0x0014;
/// Extended device control.
pub const CTRL_EXT: u32 = 0x0018;
/// MDI control: the PHY's registers.
pub const MDIC: u32 = 0x0020;
/// Flow control address, low.
pub const FCAL: u32 = 0x0028;
/// Flow control address, high.
pub const FCAH: u32 = 0x002c;
/// Flow control type.
pub const FCT: u32 = 0x0030;
/// VLAN Ethertype.
pub const VET: u32 = 0x0038;
/// Interrupt causes; reading clears them.
pub const ICR: u32 = 0x00c0;
/// Interrupt throttling.
pub const ITR: u32 = 0x00c4;
/// Interrupt cause set, write only.
pub const ICS: u32 = 0x00c8;
/// Interrupt mask set; reads as the mask.
pub const IMS: u32 = 0x00d0;
/// Interrupt mask clear, write only.
pub const IMC: u32 = 0x00d8;
/// Receive control.
pub const RCTL: u32 = 0x0100;
/// Flow control transmit timer value.
pub const FCTTV: u32 = 0x0170;
/// Transmit configuration word.
pub const TXCW: u32 = 0x0178;
/// Receive configuration word, read only.
pub const RXCW: u32 = 0x0180;
/// Transmit control.
pub const TCTL: u32 = 0x0400;
/// Transmit inter-packet gap.
pub const TIPG: u32 = 0x0410;
/// Adaptive IFS throttle.
pub const AIT: u32 = 0x0458;
/// LED control.
pub const LEDCTL: u32 = 0x0e00;
/// Packet buffer allocation.
pub const PBA: u32 = 0x1000;
/// Flow control receive threshold, low.
pub const FCRTL: u32 = 0x2160;
/// Flow control receive threshold, high.
pub const FCRTH: u32 = 0x2168;
/// Receive descriptor base address, low.
pub const RDBAL: u32 = 0x2800;
/// Receive descriptor base address, high.
pub const RDBAH: u32 = 0x2804;
/// Receive descriptor ring length in bytes.
pub const RDLEN: u32 = 0x2808;
/// Receive descriptor head.
pub const RDH: u32 = 0x2810;
/// Receive descriptor tail.
pub const RDT: u32 = 0x2818;
/// Receive delay timer.
pub const RDTR: u32 = 0x2820;
/// Receive descriptor control.
pub const RXDCTL: u32 = 0x2828;
/// Receive absolute delay timer.
pub const RADV: u32 = 0x282c;
/// Receive small packet detect.
pub const RSRPD: u32 = 0x2c00;
/// Transmit DMA control.
pub const TXDMAC: u32 = 0x3000;
/// Transmit descriptor base address, low.
pub const TDBAL: u32 = 0x3800;
/// Transmit descriptor base address, high.
pub const TDBAH: u32 = 0x3804;
/// Transmit descriptor ring length in bytes.
pub const TDLEN: u32 = 0x3808;
/// Transmit descriptor head.
pub const TDH: u32 = 0x3810;
/// Transmit descriptor tail.
pub const TDT: u32 = 0x3818;
/// Transmit interrupt delay value.
pub const TIDV: u32 = 0x3820;
/// Transmit descriptor control.
pub const TXDCTL: u32 = 0x3828;
/// Transmit absolute interrupt delay value.
pub const TADV: u32 = 0x382c;
/// TCP segmentation pad and threshold.
pub const TSPMT: u32 = 0x3830;
/// Receive checksum control.
pub const RXCSUM: u32 = 0x5000;
/// Multicast table array, 128 registers.
pub const MTA: u32 = 0x5200;
/// Receive address low 0; RAH0 follows; sixteen pairs.
pub const RAL0: u32 = 0x5400;
/// Receive address high 0.
pub const RAH0: u32 = 0x5404;
/// VLAN filter table array, 128 registers.
pub const VFTA: u32 = 0x5600;
/// Wake-up control.
pub const WUC: u32 = 0x5800;
/// Wake-up filter control.
pub const WUFC: u32 = 0x5808;
/// Wake-up status.
pub const WUS: u32 = 0x5810;
/// Management control.
pub const MANC: u32 = 0x5820;
/// IP address valid.
pub const IPAV: u32 = 0x5838;

/// The statistics registers; reading clears them.
pub mod stat {
    /// First of them.
    pub const FIRST: u32 = 0x4000;
    /// CRC errors.
    pub const CRCERRS: u32 = 0x4000;
    /// Packets missed for want of FIFO.
    pub const MPC: u32 = 0x4010;
    /// Packets received, 64 bytes; those of up to 127, 255, 511, 1023 and more follow it.
    pub const PRC64: u32 = 0x405c;
    /// Good packets received.
    pub const GPRC: u32 = 0x4074;
    /// Broadcasts received.
    pub const BPRC: u32 = 0x4078;
    /// Multicasts received.
    pub const MPRC: u32 = 0x407c;
    /// Good packets sent.
    pub const GPTC: u32 = 0x4080;
    /// Good octets received, low; reading high clears both.
    pub const GORCL: u32 = 0x4088;
    /// Good octets sent, low.
    pub const GOTCL: u32 = 0x4090;
    /// No receive buffer.
    pub const RNBC: u32 = 0x40a0;
    /// Undersize packets.
    pub const RUC: u32 = 0x40a4;
    /// Fragments: undersize with a bad CRC.
    pub const RFC: u32 = 0x40a8;
    /// Oversize packets.
    pub const ROC: u32 = 0x40ac;
    /// Jabber: oversize with a bad CRC.
    pub const RJC: u32 = 0x40b0;
    /// All octets received, low.
    pub const TORL: u32 = 0x40c0;
    /// All octets sent, low.
    pub const TOTL: u32 = 0x40c8;
    /// All packets received.
    pub const TPR: u32 = 0x40d0;
    /// All packets sent.
    pub const TPT: u32 = 0x40d4;
    /// Packets sent, 64 bytes; those of up to 127, 255, 511, 1023 and more follow it.
    pub const PTC64: u32 = 0x40d8;
    /// Multicasts sent.
    pub const MPTC: u32 = 0x40f0;
    /// Broadcasts sent.
    pub const BPTC: u32 = 0x40f4;
    /// TCP segmentation contexts sent.
    pub const TSCTC: u32 = 0x40f8;
    /// TCP segmentation contexts that failed.
    pub const TSCTFC: u32 = 0x40fc;
    /// Behind the last of them.
    pub const END: u32 = 0x4100;
}

/// Bits of CTRL.
pub mod ctrl {
    /// Full duplex.
    pub const FD: u32 = 1 << 0;
    /// Automatic speed detection.
    pub const ASDE: u32 = 1 << 5;
    /// Set link up: the MAC heeds the PHY's link.
    pub const SLU: u32 = 1 << 6;
    /// Speed, where it is forced.
    pub const SPEED: u32 = 3 << 8;
    /// Shift of `SPEED`: 0, 1, 2 are 10, 100, 1000 Mbit/s.
    pub const SPEED_SHIFT: u32 = 8;
    /// Force speed.
    pub const FRCSPD: u32 = 1 << 11;
    /// Force duplex.
    pub const FRCDPX: u32 = 1 << 12;
    /// Device reset; clears itself.
    pub const RST: u32 = 1 << 26;
    /// VLAN mode.
    pub const VME: u32 = 1 << 30;
    /// PHY reset, as long as it is set.
    pub const PHY_RST: u32 = 1 << 31;
    /// After reset: full duplex, 1000 Mbit/s.
    pub const DEFAULT: u32 = FD | 2 << SPEED_SHIFT;
}

/// Bits of STATUS.
pub mod status {
    /// Full duplex.
    pub const FD: u32 = 1 << 0;
    /// Link up.
    pub const LU: u32 = 1 << 1;
    /// Shift of the speed: 0, 1, 2 are 10, 100, 1000 Mbit/s.
    pub const SPEED_SHIFT: u32 = 6;
}

/// Bits of EECD.
pub mod eecd {
    /// Clock.
    pub const SK: u32 = 1 << 0;
    /// Chip select.
    pub const CS: u32 = 1 << 1;
    /// Data into the EEPROM.
    pub const DI: u32 = 1 << 2;
    /// Data out of the EEPROM, read only.
    pub const DO: u32 = 1 << 3;
    /// Flash write enable, two bits.
    pub const FWE: u32 = 3 << 4;
    /// Software asks for the pins. Not in the 82544.
    pub const REQ: u32 = 1 << 6;
    /// Software has the pins, read only. Not in the 82544.
    pub const GNT: u32 = 1 << 7;
    /// An EEPROM is there, read only.
    pub const PRES: u32 = 1 << 8;
}

/// Bits of EERD.
pub mod eerd {
    /// Start a read; clears itself.
    pub const START: u32 = 1 << 0;
    /// The data is there.
    pub const DONE: u32 = 1 << 4;
    /// Shift of the word's address, eight bits.
    pub const ADDR_SHIFT: u32 = 8;
    /// Shift of the data.
    pub const DATA_SHIFT: u32 = 16;
}

/// Bits of CTRL_EXT.
pub mod ctrl_ext {
    /// Load the registers from the EEPROM; clears itself.
    pub const EE_RST: u32 = 1 << 13;
}

/// Bits of MDIC.
pub mod mdic {
    /// Shift of the PHY register.
    pub const REG_SHIFT: u32 = 16;
    /// Shift of the PHY's address; the internal one is 1.
    pub const PHY_SHIFT: u32 = 21;
    /// Write.
    pub const OP_WRITE: u32 = 1 << 26;
    /// Read.
    pub const OP_READ: u32 = 2 << 26;
    /// Ready.
    pub const READY: u32 = 1 << 28;
    /// Interrupt when it is done.
    pub const INT: u32 = 1 << 29;
    /// Error.
    pub const ERROR: u32 = 1 << 30;
}

/// Bits of ICR, ICS, IMS and IMC.
pub mod icr {
    /// Transmit descriptor written back.
    pub const TXDW: u32 = 1 << 0;
    /// Transmit queue empty.
    pub const TXQE: u32 = 1 << 1;
    /// Link status change.
    pub const LSC: u32 = 1 << 2;
    /// Receive descriptor minimum threshold reached.
    pub const RXDMT0: u32 = 1 << 4;
    /// Receiver overrun.
    pub const RXO: u32 = 1 << 6;
    /// Receiver timer: a frame was received.
    pub const RXT0: u32 = 1 << 7;
    /// MDI access complete.
    pub const MDAC: u32 = 1 << 9;
    /// Bits that exist, reserved ones too: ICS can set them.
    pub const ALL: u32 = 0x0001_ffff;
}

/// Bits of RCTL.
pub mod rctl {
    /// Receiver enable.
    pub const EN: u32 = 1 << 1;
    /// Store bad packets.
    pub const SBP: u32 = 1 << 2;
    /// Unicast promiscuous.
    pub const UPE: u32 = 1 << 3;
    /// Multicast promiscuous.
    pub const MPE: u32 = 1 << 4;
    /// Long packets.
    pub const LPE: u32 = 1 << 5;
    /// Loopback, two bits.
    pub const LBM: u32 = 3 << 6;
    /// Shift of the minimum threshold: 1/2, 1/4, 1/8 of the ring.
    pub const RDMTS_SHIFT: u32 = 8;
    /// Shift of the multicast offset.
    pub const MO_SHIFT: u32 = 12;
    /// Broadcast accept.
    pub const BAM: u32 = 1 << 15;
    /// Shift of the buffer size: 2048, 1024, 512, 256 bytes.
    pub const BSIZE_SHIFT: u32 = 16;
    /// VLAN filter enable.
    pub const VFE: u32 = 1 << 18;
    /// Canonical form indicator enable.
    pub const CFIEN: u32 = 1 << 19;
    /// Canonical form indicator value.
    pub const CFI: u32 = 1 << 20;
    /// Buffer size times 16.
    pub const BSEX: u32 = 1 << 25;
    /// Strip the Ethernet CRC.
    pub const SECRC: u32 = 1 << 26;
    /// Bits that keep what is written.
    pub const WRITABLE: u32 = 0x06df_b3fe;
}

/// Bits of TCTL.
pub mod tctl {
    /// Transmitter enable.
    pub const EN: u32 = 1 << 1;
    /// Pad short packets to 64 bytes.
    pub const PSP: u32 = 1 << 3;
    /// Bits that keep what is written.
    pub const WRITABLE: u32 = 0x017f_fffa;
}

/// Bits of RXCSUM.
pub mod rxcsum {
    /// Where the packet checksum starts.
    pub const PCSS: u32 = 0xff;
    /// IP checksum offload.
    pub const IPOFL: u32 = 1 << 8;
    /// TCP and UDP checksum offload.
    pub const TUOFL: u32 = 1 << 9;
    /// IPv6 checksum offload. Not in the 82544.
    pub const IPV6OFL: u32 = 1 << 10;
    /// Bits that keep what is written.
    pub const WRITABLE: u32 = PCSS | IPOFL | TUOFL | IPV6OFL;
}

/// Bits of RAH.
pub mod rah {
    /// Compared with the source address instead.
    pub const SOURCE: u32 = 1 << 16;
    /// Address valid.
    pub const AV: u32 = 1 << 31;
    /// Bits that keep what is written.
    pub const WRITABLE: u32 = 0x8003_ffff;
}

/// A receive descriptor: address, length, packet checksum, status, errors, special.
pub mod rxd {
    /// Status: descriptor done.
    pub const DD: u8 = 1 << 0;
    /// Status: end of packet.
    pub const EOP: u8 = 1 << 1;
    /// Status: ignore the checksum indications.
    pub const IXSM: u8 = 1 << 2;
    /// Status: the packet was tagged, and special is its tag.
    pub const VP: u8 = 1 << 3;
    /// Status: TCP or UDP checksum calculated.
    pub const TCPCS: u8 = 1 << 5;
    /// Status: IP checksum calculated.
    pub const IPCS: u8 = 1 << 6;
    /// Status: passed an inexact filter only.
    pub const PIF: u8 = 1 << 7;
    /// Error: CRC.
    pub const CE: u8 = 1 << 0;
    /// Error: TCP or UDP checksum.
    pub const TCPE: u8 = 1 << 5;
    /// Error: IP checksum.
    pub const IPE: u8 = 1 << 6;
}

/// A transmit descriptor. Commands are bits of its third double word, status of its fourth.
pub mod txd {
    /// Command: end of packet.
    pub const EOP: u32 = 1 << 24;
    /// Command: insert FCS.
    pub const IFCS: u32 = 1 << 25;
    /// Command of a legacy descriptor: insert checksum. In a data or context descriptor: `TSE`.
    pub const IC: u32 = 1 << 26;
    /// Command of a data or context descriptor: TCP segmentation.
    pub const TSE: u32 = 1 << 26;
    /// Command: report status.
    pub const RS: u32 = 1 << 27;
    /// Command: report packet sent. 82544 only.
    pub const RPS: u32 = 1 << 28;
    /// Command: not a legacy descriptor.
    pub const DEXT: u32 = 1 << 29;
    /// Command: insert a VLAN tag.
    pub const VLE: u32 = 1 << 30;
    /// Command: delay the interrupt.
    pub const IDE: u32 = 1 << 31;
    /// Type of a descriptor with DEXT: context 0, data 1.
    pub const DTYP: u32 = 0xf << 20;
    /// `DTYP` of a data descriptor.
    pub const DATA: u32 = 1 << 20;
    /// Command of a context descriptor: the packet is TCP.
    pub const TCP: u32 = 1 << 24;
    /// Command of a context descriptor: the packet is IPv4.
    pub const IP: u32 = 1 << 25;
    /// Status: descriptor done.
    pub const DD: u32 = 1 << 0;
    /// Option of a data descriptor, in its fourth double word: insert the IP checksum.
    pub const IXSM: u32 = 1 << 8;
    /// Option of a data descriptor: insert the TCP or UDP checksum.
    pub const TXSM: u32 = 1 << 9;
}

/// Registers and bits of the PHY, IEEE 802.3 clause 22 and the M88E1011's own.
pub mod mii {
    pub use model_wire::mii::*;

    /// 1000BASE-T control.
    pub const GCON: u8 = 9;
    /// 1000BASE-T status.
    pub const GSTATUS: u8 = 10;
    /// Extended status.
    pub const ESTATUS: u8 = 15;
    /// PHY specific control.
    pub const PSCON: u8 = 16;
    /// PHY specific status.
    pub const PSSTAT: u8 = 17;
    /// PHY interrupt status; reading clears it.
    pub const PINTS: u8 = 19;
    /// Extended PHY specific control.
    pub const EPSCON: u8 = 20;

    /// PSSTAT: link, now.
    pub const PS_LINK: u16 = 1 << 10;
    /// PSSTAT: speed and duplex are resolved.
    pub const PS_RESOLVED: u16 = 1 << 11;
    /// PSSTAT: full duplex.
    pub const PS_DUPLEX: u16 = 1 << 13;
    /// PSSTAT: shift of the speed: 0, 1, 2 are 10, 100, 1000 Mbit/s.
    pub const PS_SPEED_SHIFT: u32 = 14;
}
