//! A small chip: as much of an RTL8169SC as a driver can see go wrong. It looks at its descriptors whenever it likes.

use r8169::regs::{self, cr, isr};
use udrv_driver_tests::{BUS, Bus, MAC, Window};

/// An RTL8169SC.
pub(crate) const VERSION: u32 = 0x1800_0000;

const OWN: u32 = 1 << 31;
const EOR: u32 = 1 << 30;
/// FS and LS.
pub(crate) const WHOLE: u32 = 3 << 28;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) reset_hangs: bool,
    pub(crate) phy_hangs: bool,
}

pub(crate) struct Chip {
    pub(crate) registers: Window,
    pub(crate) version: u32,
    pub(crate) phy: [u16; 32],
    pub(crate) trouble: Trouble,
    pub(crate) bus: Bus,
    /// Where it is in its rings.
    rx: u32,
    tx: u32,
    reset_reads: u32,
    phy_reads: u32,
}

impl Chip {
    pub(crate) fn new() -> Chip {
        let mut chip = Chip {
            registers: Window::new(256),
            version: VERSION,
            phy: [0; 32],
            trouble: Trouble::default(),
            bus: Bus::default(),
            rx: 0,
            tx: 0,
            reset_reads: 0,
            phy_reads: 0,
        };
        chip.registers[..6].copy_from_slice(&MAC.0);
        chip.registers[0x6c] = 0x13;
        chip.phy[0] = 0x1140;
        chip
    }

    pub(crate) fn get(&self, offset: u16, width: u8) -> u32 {
        self.registers.get(offset, width)
    }

    pub(crate) fn set(&mut self, offset: u16, width: u8, value: u32) {
        self.registers.set(offset, width, value);
    }

    pub(crate) fn is_on(&self, bits: u8) -> bool {
        self.registers[0x37] & bits == bits
    }

    /// How often it was told to reset itself.
    pub(crate) fn resets(&self) -> usize {
        self.bus.writes.iter().filter(|(offset, value)| *offset == 0x37 && *value as u8 & cr::RST != 0).count()
    }

    pub(crate) fn raise(&mut self, causes: u16) {
        self.set(0x3e, 2, self.get(0x3e, 2) | u32::from(causes));
    }

    pub(crate) fn read(&mut self, offset: u16, width: u8) -> u32 {
        match offset {
            0x37 => {
                if self.reset_reads > 0 && !self.trouble.reset_hangs {
                    self.reset_reads -= 1;
                }
                u32::from(self.registers[0x37] | if self.reset_reads > 0 { cr::RST } else { 0 })
            }
            0x40 => self.get(0x40, 4) | self.version,
            0x60 => {
                if self.phy_reads > 0 && !self.trouble.phy_hangs {
                    self.phy_reads -= 1;
                }
                self.get(0x60, 4) ^ if self.phy_reads > 0 { OWN } else { 0 }
            }
            _ => self.get(offset, width),
        }
    }

    pub(crate) fn write(&mut self, offset: u16, width: u8, value: u32) {
        if self.reset_reads > 0 {
            return;
        }
        match offset {
            0x37 if value as u8 & cr::RST != 0 => {
                self.reset_reads = 3;
                self.registers[0x20..0x51].fill(0);
                // not the CONFIG registers
                self.registers[0x57..0x60].fill(0);
                self.registers[0xda..0xed].fill(0);
                (self.rx, self.tx) = (0, 0);
            }
            0x3e => self.set(0x3e, 2, self.get(0x3e, 2) & !value),
            0x40 => assert!(self.is_on(cr::TE), "TCR without TE"),
            0x44 => {
                assert!(self.is_on(cr::RE), "RCR without RE");
                self.set(0x44, 4, value);
            }
            0x4c => self.set(0x4c, 4, 0),
            0xe4 => {
                assert!(value != 0 || !self.is_on(cr::RE), "the receiver is on and would look for descriptors at 0");
                self.set(0xe4, 4, value);
            }
            0x60 => {
                assert_eq!(self.phy_reads, 0, "an access before the last has ended");
                let register = (value >> 16 & 31) as usize;
                if value & OWN != 0 {
                    // it restarts negotiation, and is done
                    self.phy[register] = value as u16 & !0x0200;
                    self.set(0x60, 4, value & !OWN);
                } else {
                    let data = self.phy[register];
                    self.set(0x60, 4, OWN | value & 0x1f_0000 | u32::from(data));
                }
                self.phy_reads = 2;
            }
            0x55 if self.registers[0x50] != 0xc0 => panic!("CONFIG4 while locked"),
            0x00 | 0x04 if self.registers[0x50] != 0xc0 => panic!("IDR while locked"),
            _ => self.set(offset, width, value),
        }
    }

    /// Microseconds go by: an access to the PHY takes less than a hundred.
    pub(crate) fn let_pass(&mut self, time: u64) {
        if time >= 100 && !self.trouble.phy_hangs {
            self.phy_reads = 0;
        }
    }

    pub(crate) fn word(&self, at: u32) -> u32 {
        let bytes = &self.bus.dma[0][at as usize..][..4];
        u32::from_le_bytes(bytes.try_into().unwrap())
    }

    pub(crate) fn set_word(&mut self, at: u32, value: u32) {
        self.bus.dma[0][at as usize..][..4].copy_from_slice(&value.to_le_bytes());
    }

    fn rx_place(&self) -> u32 {
        assert!(self.is_on(cr::RE) && self.get(0xe4, 4) == BUS && self.get(0xe8, 4) == 0);
        16 * self.rx
    }

    fn tx_place(&self) -> u32 {
        assert!(self.is_on(cr::TE) && self.get(0x24, 4) == 0);
        self.get(0x20, 4) - BUS + 16 * self.tx
    }

    /// A good frame of `length` bytes, filled with `fill`, comes in; false if there is no descriptor for it.
    pub(crate) fn receive(&mut self, length: u32, fill: u8) -> bool {
        self.receive_as(fill, WHOLE | (length + 4))
    }

    /// The same with a first word of choice, but for OWN and EOR.
    pub(crate) fn receive_as(&mut self, fill: u8, word: u32) -> bool {
        let at = self.rx_place();
        let before = self.word(at);
        if before & OWN == 0 {
            self.raise(isr::RDU);
            return false;
        }
        let size = before & 0x3fff;
        assert_eq!((size, self.word(at + 4), self.word(at + 12)), (self.get(0xda, 2), 0, 0));
        let buffer = (self.word(at + 8) - BUS) as usize;
        self.bus.dma[0][buffer..buffer + size as usize].fill(fill);
        self.set_word(at, word & !(OWN | EOR) | before & EOR);
        self.rx = if before & EOR != 0 { 0 } else { self.rx + 1 };
        assert!(self.rx < 256, "it ran behind the ring");
        self.raise(isr::ROK);
        true
    }

    /// A frame without CRC comes in, with the tag that was taken out of it; false if there is no descriptor for it.
    pub(crate) fn receive_bytes(&mut self, frame: &[u8], tag: Option<u16>) -> bool {
        let at = self.rx_place();
        let buffer = (self.word(at + 8) - BUS) as usize;
        if !self.receive_as(0xcc, WHOLE | (frame.len() as u32 + 4)) {
            return false;
        }
        self.bus.dma[0][buffer..buffer + frame.len()].copy_from_slice(frame);
        if let Some(tag) = tag {
            assert_ne!(self.get(0xe0, 2) & u32::from(regs::cpcr::RXVLAN), 0, "tags are not taken out");
            self.set_word(at + 4, 1 << 16 | u32::from(tag.swap_bytes()));
        }
        true
    }

    /// Whether the descriptor whose turn it is was handed over.
    pub(crate) fn has_to_send(&self) -> bool {
        self.word(self.tx_place()) & OWN != 0
    }

    /// Sends it: its bus address and length.
    pub(crate) fn send(&mut self) -> (u32, u32) {
        let (address, length, tag) = self.send_tagged();
        assert_eq!(tag, None);
        (address, length)
    }

    /// The same, and the tag that is put in.
    pub(crate) fn send_tagged(&mut self) -> (u32, u32, Option<u16>) {
        let at = self.tx_place();
        let word = self.word(at);
        assert_eq!(word & (OWN | WHOLE), OWN | WHOLE, "descriptor {} was not handed over", self.tx);
        assert_eq!(self.word(at + 12), 0);
        let options = self.word(at + 4);
        let tag = (options != 0).then(|| {
            assert_eq!(options >> 16, 2, "TAGC and nothing else");
            (options as u16).swap_bytes()
        });
        self.set_word(at, word & !OWN);
        self.tx = if word & EOR != 0 { 0 } else { self.tx + 1 };
        assert!(self.tx < 64, "it ran behind the ring");
        self.raise(isr::TOK);
        (self.word(at + 8), word & 0xffff, tag)
    }
}
