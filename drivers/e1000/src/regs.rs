//! The registers: names, offsets, kinds and bits.
//!
//! Not here: registers that this driver does not touch. They are left out on purpose, so that an access to one is a
//! fault. Among them are RDTR, RADV, TIDV and TADV (ITR does what they do) and the flow control group. Section numbers are those
//! of Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", revision 4.0. What a kind
//! means for each is said where it is not obvious.
//!
//! # What an abort does to a running chip
//!
//! Registers of kind `Config` and `DmaAddress` are written back, the last first. RCTL and TCTL are among them: a call
//! that sets up a ring and then enables it is undone by disabling before the ring is moved back, and one that disables
//! first is undone by enabling last. What cannot be written back is a command, and has `restore` run after that: the
//! heads, which the chip has moved since (until then there is nothing between them and the tails, or nothing that is
//! not empty, see `setup.rs`), and whatever acts at once.

use udrv_driver::register_map;

register_map! {
    /// Device control register (13.4.1).
    CTRL: u32 = 0x0000, Command;
    /// Device status register (13.4.2).
    STATUS: u32 = 0x0008, ReadOnly;
    /// EEPROM/flash control and data register (13.4.3): the wires of a Microwire EEPROM.
    EECD: u32 = 0x0010, Command;
    /// EEPROM read register (13.4.4).
    EERD: u32 = 0x0014, Command;
    /// MDI control register (13.4.7): the way to the PHY.
    MDIC: u32 = 0x0020, Command;
    /// VLAN ether type (13.4.12).
    VET: u32 = 0x0038, Config;
    /// Interrupt cause read register (13.4.17).
    ICR: u32 = 0x00c0, ReadClears;
    /// Interrupt throttling register (13.4.18), units of 256 ns.
    ITR: u32 = 0x00c4, Config;
    /// Interrupt mask set/read register (13.4.20). Ones set, zeros do nothing: the old value written back would not
    /// undo a write, so it is a command.
    IMS: u32 = 0x00d0, Command;
    /// Interrupt mask clear register (13.4.21). Ones clear: a command for the same reason.
    IMC: u32 = 0x00d8, Command;
    /// Receive control register (13.4.22).
    RCTL: u32 = 0x0100, Config;
    /// Transmit control register (13.4.33).
    TCTL: u32 = 0x0400, Config;
    /// Transmit inter-packet gap register (13.4.34). Not all of these chips in software tell it back, so it is not
    /// compared.
    TIPG: u32 = 0x0410, WriteOnly;
    /// Packet buffer allocation (13.4.24). CTRL.RST lets it count, and leaves it as it is.
    PBA: u32 = 0x1000, Config;
    /// Receive descriptor base address low (13.4.25): bus address, a multiple of 16.
    RDBAL: u32 = 0x2800, DmaAddress;
    /// Receive descriptor base address high (13.4.26).
    RDBAH: u32 = 0x2804, Config;
    /// Receive descriptor length (13.4.27): bytes of the ring, a multiple of 128.
    RDLEN: u32 = 0x2808, Config;
    /// Receive descriptor head (13.4.28): the chip's index. To be written only while the receiver is off, and then with
    /// what the chip has moved since; so a command.
    RDH: u32 = 0x2810, Command;
    /// Receive descriptor tail (13.4.29): the chip has the descriptors before it. Writing it gives the chip buffers, so
    /// it waits for the commit: before, the frames in them have not been handed on.
    RDT: u32 = 0x2818, Tail;
    /// Transmit descriptor base address low (13.4.36).
    TDBAL: u32 = 0x3800, DmaAddress;
    /// Transmit descriptor base address high (13.4.37).
    TDBAH: u32 = 0x3804, Config;
    /// Transmit descriptor length (13.4.38): bytes of the ring, a multiple of 128.
    TDLEN: u32 = 0x3808, Config;
    /// Transmit descriptor head (13.4.39). As RDH.
    TDH: u32 = 0x3810, Command;
    /// Transmit descriptor tail (13.4.40): the chip sends what is before it.
    TDT: u32 = 0x3818, Tail;

    // Counters (13.7). Reading clears them, and there is no kind that adds up: what a call that failed has read is
    // presented again by OR. So a count can come out too low, by no more than the smaller of both, and never too high;
    // as ReadOnly all that the failed call had read would be lost. They are read at one place (`counters.rs`), with
    // nothing behind it in `get_stats` but the return.
    /// CRC error count (13.7.1).
    CRCERRS: u32 = 0x4000, ReadClears;
    /// Alignment error count (13.7.2).
    ALGNERRC: u32 = 0x4004, ReadClears;
    /// Receive error count (13.7.4): the PHY said so.
    RXERRC: u32 = 0x400c, ReadClears;
    /// Missed packets count (13.7.5): no room in the FIFO.
    MPC: u32 = 0x4010, ReadClears;
    /// Collision count (13.7.10).
    COLC: u32 = 0x4028, ReadClears;
    /// Receive undersize count (13.7.38).
    RUC: u32 = 0x40a4, ReadClears;
    /// Receive oversize count (13.7.40).
    ROC: u32 = 0x40ac, ReadClears;

    /// Receive checksum control (section 13.4.39). Write-only, for not every chip in software tells it back (QEMU's does not).
    RXCSUM: u32 = 0x5000, WriteOnly;
    /// Multicast table array (13.5.1): 4096 bits. Zero here: multicast is taken all or none.
    MTA[128]: u32 = 0x5200, Command;
    /// Receive address low (13.5.2): the first four bytes of the station address. Half an address must not be left
    /// behind, so a command.
    RAL0: u32 = 0x5400, Command;
    /// Receive address high (13.5.3): the last two bytes, and whether the address counts.
    RAH0: u32 = 0x5404, Command;
    /// The other fifteen receive addresses, low and high in turn: none of them is used.
    RA_OTHERS[30]: u32 = 0x5408, Command;
    /// VLAN filter table array (13.5.4): a bit for each of 4096 VLANs. It counts only with RCTL.VFE.
    VFTA[128]: u32 = 0x5600, Command;
}

/// Bits of CTRL, section 13.4.1.
pub mod ctrl {
    /// Auto-speed detection: the MAC guesses. Off: it asks the PHY.
    pub const ASDE: u32 = 1 << 5;
    /// Set link up: the MAC follows the PHY.
    pub const SLU: u32 = 1 << 6;
    /// Invert loss of signal.
    pub const ILOS: u32 = 1 << 7;
    /// Force speed.
    pub const FRCSPD: u32 = 1 << 11;
    /// Force duplex.
    pub const FRCDPLX: u32 = 1 << 12;
    /// Device reset; clears itself. The PHY and PCI configuration stay.
    pub const RST: u32 = 1 << 26;
    /// Receive flow control.
    pub const RFCE: u32 = 1 << 27;
    /// Transmit flow control.
    pub const TFCE: u32 = 1 << 28;
    /// VLAN tags are taken out of frames.
    pub const VME: u32 = 1 << 30;
    /// PHY reset.
    pub const PHY_RST: u32 = 1 << 31;

    /// What is off in the way this driver runs the chip.
    pub const OFF: u32 = ASDE | ILOS | FRCSPD | FRCDPLX | RST | RFCE | TFCE | VME | PHY_RST;
}

/// Bits of STATUS, section 13.4.2.
pub mod status {
    /// Full duplex.
    pub const FD: u32 = 1 << 0;
    /// Link up.
    pub const LU: u32 = 1 << 1;
    /// Speed, two bits: where they begin. 10, 100, and twice 1000 Mbit/s.
    pub const SPEED_SHIFT: u32 = 6;
}

/// Bits of EECD, section 13.4.3.
pub mod eecd {
    /// Clock to the EEPROM.
    pub const SK: u32 = 1 << 0;
    /// Chip select.
    pub const CS: u32 = 1 << 1;
    /// Data to the EEPROM.
    pub const DI: u32 = 1 << 2;
    /// Data from the EEPROM.
    pub const DO: u32 = 1 << 3;
    /// Asks for the wires.
    pub const EE_REQ: u32 = 1 << 6;
    /// They are granted; not while the chip itself reads the EEPROM.
    pub const EE_GNT: u32 = 1 << 7;
    /// 256 words and 8 bits of address, else 64 and 6.
    pub const EE_SIZE: u32 = 1 << 9;
}

/// Bits of EERD, section 13.4.4.
pub mod eerd {
    /// Starts a read.
    pub const START: u32 = 1 << 0;
    /// It is done.
    pub const DONE: u32 = 1 << 4;
    /// Word to read, eight bits: where they begin.
    pub const ADDR_SHIFT: u32 = 8;
    /// What was read, sixteen bits: where they begin.
    pub const DATA_SHIFT: u32 = 16;
}

/// Bits of MDIC, section 13.4.7.
pub mod mdic {
    /// PHY register, five bits: where they begin. Data are below.
    pub const REG_SHIFT: u32 = 16;
    /// PHY address 1: the one inside.
    pub const PHY: u32 = 1 << 21;
    /// Write.
    pub const OP_WRITE: u32 = 0b01 << 26;
    /// Read.
    pub const OP_READ: u32 = 0b10 << 26;
    /// Done.
    pub const R: u32 = 1 << 28;
    /// It went wrong.
    pub const E: u32 = 1 << 30;
}

/// Bits of ICR, IMS and IMC, section 13.4.17.
pub mod icr {
    /// A transmit descriptor was written back.
    pub const TXDW: u32 = 1 << 0;
    /// The link changed.
    pub const LSC: u32 = 1 << 2;
    /// A sequence error on the receive side.
    pub const RXSEQ: u32 = 1 << 3;
    /// The chip has few receive descriptors left.
    pub const RXDMT0: u32 = 1 << 4;
    /// There was no room for a frame.
    pub const RXO: u32 = 1 << 6;
    /// A frame came.
    pub const RXT0: u32 = 1 << 7;

    /// `poll` has work.
    pub const POLL: u32 = TXDW | RXDMT0 | RXO | RXT0;
    /// Somebody should look at the link.
    pub const LINK: u32 = LSC | RXSEQ;
    /// What this driver lets interrupt.
    pub const CAUSES: u32 = POLL | LINK;
}

/// Values of ITR, section 13.4.18.
pub mod itr {
    /// Nanoseconds that it counts.
    const UNIT: u64 = 256;
    /// The longest distance: 16 bits. Microseconds.
    pub const LONGEST: u64 = 0xffff * UNIT / 1000;
    /// The usual distance, microseconds: at most 20,000 interrupts a second. In 50 us 74 of the shortest frames come at
    /// 1 Gbit/s, of the 255 that the ring holds, and no frame waits for longer than a busy host would let it wait anyway:
    /// an interrupt that has to wake a process costs some ten of them. One that comes after a pause comes at once.
    pub const USUAL: u64 = 50;

    /// The nearest value for so many microseconds, up to [`LONGEST`].
    #[must_use]
    pub const fn of(microseconds: u64) -> u32 {
        let units = (microseconds.saturating_mul(1000).saturating_add(UNIT / 2)) / UNIT;
        if units > 0xffff { 0xffff } else { units as u32 }
    }
}

/// Values of VET, section 13.4.12.
pub mod vet {
    /// EtherType of IEEE 802.1Q.
    pub const DOT1Q: u32 = 0x8100;
}

/// Values of PBA, section 13.4.24: KiB of the FIFO for reception, and for transmission from bit 16.
pub mod pba {
    /// 48 and 16: after power-on.
    pub const USUAL: u32 = 16 << 16 | 48;
    /// 40 and 24: a frame leaves the FIFO when it is there in whole, and beside it shall be room for another.
    pub const JUMBO: u32 = 24 << 16 | 40;
}

/// Bits of RCTL, section 13.4.22.
pub mod rctl {
    /// Receiver enable. Cleared, it stops behind the frame in progress.
    pub const EN: u32 = 1 << 1;
    /// Unicast promiscuous.
    pub const UPE: u32 = 1 << 3;
    /// Long packet enable: frames of up to 16,384 bytes.
    pub const LPE: u32 = 1 << 5;
    /// VLAN filter enable.
    pub const VFE: u32 = 1 << 18;
    /// Multicast promiscuous: all multicast.
    pub const MPE: u32 = 1 << 4;
    /// Accept broadcast.
    pub const BAM: u32 = 1 << 15;

    /// How this driver runs the receiver; UPE, MPE, LPE and VFE come on top. Zero are: SBP (bad frames are dropped), LBM
    /// (no loopback), RDMTS (RXDMT0 when half of the descriptors are used), BSIZE and BSEX (buffers of 2048 bytes), SECRC
    /// (frames come with their CRC).
    pub const RUN: u32 = EN | BAM;
}

/// Bits of TCTL, section 13.4.33.
pub mod tctl {
    /// Transmitter enable. Cleared, it stops behind the frame in progress.
    pub const EN: u32 = 1 << 1;
    /// Pad short packets.
    pub const PSP: u32 = 1 << 3;
    /// Attempts after a collision, as IEEE 802.3 has it: 15.
    const CT_15: u32 = 0x0f << 4;
    /// Collision distance, in byte times: where it begins.
    const COLD_SHIFT: u32 = 12;

    /// How this driver runs the transmitter at full duplex.
    pub const RUN_FULL: u32 = EN | PSP | CT_15 | 0x40 << COLD_SHIFT;
    /// And at half duplex.
    pub const RUN_HALF: u32 = EN | PSP | CT_15 | 0x200 << COLD_SHIFT;
}

/// Values of TIPG, section 13.4.34.
pub mod tipg {
    /// IPGT 8, IPGR1 8, IPGR2 6: what copper wants.
    pub const COPPER: u32 = 8 | 8 << 10 | 6 << 20;
}

/// Bits of RAH, section 13.5.3.
pub mod rah {
    /// Address valid.
    pub const AV: u32 = 1 << 31;
}

/// Bits of RXCSUM, section 13.4.39.
pub mod rxcsum {
    /// Check the IP header.
    pub const IPOFL: u32 = 1 << 8;
    /// Check TCP and UDP.
    pub const TUOFL: u32 = 1 << 9;

    /// How this driver runs it.
    pub const RUN: u32 = IPOFL | TUOFL;
}
