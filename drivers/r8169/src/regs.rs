//! The registers: names, offsets, kinds and bits, under the names that Realtek's datasheets use.
//!
//! Not here: registers that this driver does not touch. They are left out on purpose, so that an access to one is a
//! fault. Among them are DTCCR (MPC is all that is counted by the chip and asked for), THPDS (nothing goes by the
//! high-priority ring, and its doorbell is never rung), the other CONFIG registers (wake-up stays as the EEPROM says) and the timer.
//! What a kind means for each is said where it is not obvious.

use udrv_driver::register_map;

register_map! {
    /// ID registers 0 to 3: the station address. A command: half an address must not be left behind, so an abort
    /// between the halves runs `restore`.
    IDR0: u32 = 0x00, Command;
    /// ID registers 4 and 5, and two reserved bytes.
    IDR4: u32 = 0x04, Command;
    /// Multicast registers 0 to 3: one half of the hash filter, see `setup::filter`.
    MAR0: u32 = 0x08, Config;
    /// Multicast registers 4 to 7.
    MAR4: u32 = 0x0c, Config;
    /// Transmit normal priority descriptors, bus address, a multiple of 256.
    TNPDS_LOW: u32 = 0x20, DmaAddress;
    /// Its upper half: always 0, DMA memory is below 4 GiB.
    TNPDS_HIGH: u32 = 0x24, Config;
    /// Command register.
    CR: u8 = 0x37, Command;
    /// Transmit priority polling: the chip looks at its descriptors. It may do so by itself, so descriptors are handed
    /// over on commit too: see `ring.rs`.
    TPPOLL: u8 = 0x38, Doorbell;
    /// Interrupt mask register.
    IMR: u16 = 0x3c, Config;
    /// Interrupt status register.
    ISR: u16 = 0x3e, WriteOneClears;
    /// Transmit configuration register. A command, so that the version in it is read from the chip and no shadow.
    TCR: u32 = 0x40, Command;
    /// Receive configuration register. A command: it keeps nothing before CR.RE is set, so what an abort would write
    /// back depends on where the chip is.
    RCR: u32 = 0x44, Command;
    /// Missed packet counter, 24 bits; a write of any value clears it. A doorbell: the count is cleared when the call
    /// that took it commits, and stays in the chip when it does not.
    MPC: u32 = 0x4c, Doorbell;
    /// 9346CR: here only the lock of IDR and the CONFIG registers. A command, so that an abort with the lock open runs
    /// `restore`, which closes it.
    CR9346: u8 = 0x50, Command;
    /// Configuration register 4, of which a chip on PCIe wants one bit. A command, because the EEPROM has loaded the
    /// others, and because it takes what is written while the lock is open only.
    CONFIG4: u8 = 0x55, Command;
    /// PHY access register.
    PHYAR: u32 = 0x60, Command;
    /// PHY status register.
    PHYSTATUS: u8 = 0x6c, ReadOnly;
    /// Receive packet maximum size, bytes with CRC.
    RMS: u16 = 0xda, Config;
    /// C+ command register, and how long the steps of INTRMITIGATE are. Which of its bits read as written differs between the chips, so it is not compared.
    CPCR: u16 = 0xe0, WriteOnly;
    /// Interrupt mitigation. Undocumented, so it is not compared.
    INTRMITIGATE: u16 = 0xe2, WriteOnly;
    /// Receive descriptor start address: bus address, a multiple of 256.
    RDSAR_LOW: u32 = 0xe4, DmaAddress;
    /// Its upper half: always 0.
    RDSAR_HIGH: u32 = 0xe8, Config;
    /// Early transmit threshold on the PCI chips, largest frame to send on the others. Not compared.
    ETTHR: u8 = 0xec, WriteOnly;
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
    /// There is something in the normal priority ring.
    pub const NPQ: u8 = 1 << 6;
}

/// Bits of ISR and IMR.
pub mod isr {
    /// System error on the PCI bus.
    pub const SERR: u16 = 1 << 15;
    /// No transmit descriptor left to send.
    pub const TDU: u16 = 1 << 7;
    /// The receive FIFO overflowed.
    pub const FOVW: u16 = 1 << 6;
    /// The link changed.
    pub const LINKCHG: u16 = 1 << 5;
    /// No receive descriptor left to fill.
    pub const RDU: u16 = 1 << 4;
    /// A frame could not be sent.
    pub const TER: u16 = 1 << 3;
    /// A frame was sent.
    pub const TOK: u16 = 1 << 2;
    /// A frame with an error came in.
    pub const RER: u16 = 1 << 1;
    /// A frame came in.
    pub const ROK: u16 = 1 << 0;
    /// Those that `poll` deals with.
    pub const POLL: u16 = ROK | RER | TOK | TER | RDU | FOVW;
    /// Those that interrupt.
    pub const CAUSES: u16 = POLL | LINKCHG | SERR;
}

/// Bits of TCR.
pub mod tcr {
    /// Interframe gap of 96 bit times, DMA bursts without limit, CRC appended.
    pub const RUN: u32 = 3 << 24 | 7 << 8;
}

/// Bits of RCR.
pub mod rcr {
    /// No FIFO threshold (frames are written whole), DMA bursts without limit; errors and runts are not accepted.
    pub const RUN: u32 = 7 << 13 | 7 << 8;
    /// Accept broadcast.
    pub const AB: u32 = 1 << 3;
    /// Accept multicast that the filter lets pass.
    pub const AM: u32 = 1 << 2;
    /// Accept frames for the station address.
    pub const APM: u32 = 1 << 1;
    /// Accept all.
    pub const AAP: u32 = 1 << 0;
}

/// Values of 9346CR.
pub mod cr9346 {
    /// IDR and CONFIG registers can be written.
    pub const CONFIG_WRITE: u8 = 0xc0;
    /// They cannot.
    pub const LOCKED: u8 = 0;
}

/// Bits of CONFIG4.
pub mod config4 {
    /// Undocumented; an RTL8168B but the first wants it for an MTU above the usual.
    pub const JUMBO: u8 = 1 << 0;
}

/// Bits of PHYAR.
pub mod phyar {
    /// Written 1 to write, and 0 when done; written 0 to read, and 1 when done.
    pub const FLAG: u32 = 1 << 31;
    /// The PHY's register: where it begins, five bits.
    pub const REG_SHIFT: u32 = 16;
}

/// Bits of PHYSTATUS.
pub mod phystatus {
    /// 1000 Mbit/s, full duplex.
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
    /// PCI memory read and write multiple.
    pub const MULRW: u16 = 1 << 3;
    /// The lowest bit of the field of two that says how long a step of INTRMITIGATE is: INTT.
    pub const INTT: u16 = 1 << 0;
    /// VLAN tags are taken out of received frames.
    pub const RXVLAN: u16 = 1 << 6;
    /// Undocumented; the RTL8169S and RTL8110S want it.
    pub const S_CHIPS: u16 = 1 << 14;
}

/// Values of ETTHR.
pub mod etthr {
    /// PCI chips: no early transmission. PCIe chips: the largest frame to send, in units of 128 bytes.
    pub const WHOLE: u8 = 0x3f;
}

/// Values of INTRMITIGATE: four fields of four bits, transmit timer, transmit frames, receive timer, receive frames. An
/// interrupt waits for its timer to run down from the first frame on. No frames: it waits for nothing else.
///
/// Numbers are those of Linux's driver; no datasheet that we know of has them.
pub mod mitigate {
    /// Steps of a timer, at most.
    const STEPS: u64 = 15;
    /// How much longer a step is at each INTT.
    const LONGER: [u64; 4] = [1, 8, 16, 32];
    /// Nanoseconds of the shortest step of a PCI chip at 1 Gbit/s: none is shorter.
    const SHORTEST: u64 = 320;

    /// The longest distance that every chip has at every speed, microseconds.
    pub const LONGEST: u64 = STEPS * SHORTEST * LONGER[3] / 1000;

    /// INTT and the register for so many microseconds, up to [`LONGEST`]: the nearest that the chip has, and not 0.
    #[must_use]
    pub fn of(is_pcie: bool, speed: u32, microseconds: u64) -> (u16, u16) {
        let step = match speed {
            10 => 40_960,
            100 => 2_560,
            _ if is_pcie => 5_000,
            _ => SHORTEST,
        };
        let wanted = microseconds.min(LONGEST) * 1000;
        if wanted == 0 {
            return (0, 0);
        }
        // the shortest steps that reach so far are the finest
        let intt = LONGER.iter().position(|longer| wanted <= STEPS * step * longer).unwrap_or(LONGER.len() - 1);
        let step = step * LONGER[intt];
        let steps = ((wanted + step / 2) / step).clamp(1, STEPS) as u16;
        (intt as u16, steps << 12 | steps << 4)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_nearest_that_the_chip_has() {
            for (is_pcie, speed, microseconds, setting) in [
                (false, 1000, 0, (0, 0)),
                (false, 1000, 1, (0, 0x3030)),
                (false, 1000, 4, (0, 0xd0d0)),
                (false, 1000, 5, (1, 0x2020)),
                (false, 1000, 50, (2, 0xa0a0)),
                (false, 1000, 153, (3, 0xf0f0)),
                (true, 1000, 1, (0, 0x1010)),
                (true, 1000, 50, (0, 0xa0a0)),
                (true, 1000, 153, (1, 0x4040)),
                (true, 100, 50, (1, 0x2020)),
                (false, 100, 38, (0, 0xf0f0)),
                (false, 10, 1, (0, 0x1010)),
                (false, 10, 153, (0, 0x4040)),
                (false, 1000, u64::MAX, (3, 0xf0f0)),
            ] {
                assert_eq!(of(is_pcie, speed, microseconds), setting, "{is_pcie} {speed} {microseconds}");
            }
            assert_eq!(LONGEST, 153);
        }
    }
}
