//! The chip itself: registers, rings, EEPROM and PHY. It trusts nobody: what a driver must not do is an assertion.

use e1000::regs::{self, ctrl, eecd, eerd, icr, mdic, rctl, tctl};
use udrv_driver::{MacAddress, Reg};
use udrv_driver_tests::{BUS, Bus, MAC};

const RX: u32 = 256;
const TX: u32 = 64;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) reset_hangs: bool,
    /// A reset does nothing, as in QEMU.
    pub(crate) reset_is_nothing: bool,
    /// No EERD, as in the 82544.
    pub(crate) no_eerd: bool,
    /// Nor anybody who grants the wires.
    pub(crate) no_arbiter: bool,
    /// The wires are never granted.
    pub(crate) never_granted: bool,
    /// MDIC never says that it is done.
    pub(crate) mdic_hangs: bool,
    /// MDIC says that it went wrong.
    pub(crate) mdic_fails: bool,
}

pub(crate) struct Chip {
    registers: Vec<u32>,
    pub(crate) trouble: Trouble,
    pub(crate) eeprom: Vec<u16>,
    pub(crate) phy: [u16; 32],
    pub(crate) bus: Bus,
    reset_reads: u32,
    /// Looks at EECD until the chip is done with the EEPROM.
    loading: u32,
    wires: Wires,
}

/// A Microwire EEPROM: bits that came in since chip select, and those to go out.
#[derive(Default)]
struct Wires {
    came: Vec<bool>,
    word: Option<u16>,
    out: u32,
    level: bool,
}

pub(crate) fn eeprom(mac: MacAddress) -> Vec<u16> {
    let mut words: Vec<u16> = (0..64_u16).map(|n| n.wrapping_mul(0x1357)).collect();
    for (word, pair) in words.iter_mut().zip(mac.0.chunks(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    mend(&mut words);
    words
}

/// Makes the sum right.
pub(crate) fn mend(words: &mut [u16]) {
    let sum = words[..63].iter().fold(0_u16, |sum, word| sum.wrapping_add(*word));
    words[63] = 0xbaba_u16.wrapping_sub(sum);
}

impl Chip {
    pub(crate) fn new() -> Chip {
        let mut phy = [0; 32];
        phy[0] = 0x1140;
        let mut chip = Chip {
            registers: vec![0; 0x5800 / 4],
            trouble: Trouble::default(),
            eeprom: eeprom(MAC),
            phy,
            bus: Bus::default(),
            reset_reads: 0,
            loading: 0,
            wires: Wires::default(),
        };
        // as somebody else left it
        chip.set(regs::RCTL, rctl::EN);
        chip.set(regs::IMS, 0xffff);
        chip.registers[0x5200 / 4..].fill(0xdead_beef);
        chip
    }

    pub(crate) fn at(&mut self, offset: u16) -> &mut u32 {
        &mut self.registers[usize::from(offset) / 4]
    }

    pub(crate) fn get(&self, register: Reg<u32>) -> u32 {
        self.registers[usize::from(register.offset()) / 4]
    }

    pub(crate) fn set(&mut self, register: Reg<u32>, value: u32) {
        *self.at(register.offset()) = value;
    }

    pub(crate) fn raise(&mut self, causes: u32) {
        *self.at(regs::ICR.offset()) |= causes;
    }

    pub(crate) fn mac(&self) -> [u8; 6] {
        let ([a, b, c, d], [e, f, ..]) = (self.get(regs::RAL0).to_le_bytes(), self.get(regs::RAH0).to_le_bytes());
        [a, b, c, d, e, f]
    }

    pub(crate) fn receives(&self) -> bool {
        self.get(regs::RCTL) & rctl::EN != 0
    }

    pub(crate) fn sends(&self) -> bool {
        self.get(regs::TCTL) & tctl::EN != 0
    }

    /// All registers that can be written, written over.
    pub(crate) fn scribble(&mut self) {
        self.registers.fill(0x0005_5a5a);
    }

    pub(crate) fn read(&mut self, offset: u16) -> u32 {
        let value = *self.at(offset);
        match offset {
            0x0000 => {
                if self.reset_reads > 0 && !self.trouble.reset_hangs {
                    self.reset_reads -= 1;
                }
                value | if self.reset_reads > 0 { ctrl::RST } else { 0 }
            }
            0x0010 => self.read_eecd(value),
            0x00c0 | 0x4000..0x4100 => std::mem::take(self.at(offset)),
            _ => value,
        }
    }

    fn read_eecd(&mut self, value: u32) -> u32 {
        self.loading = self.loading.saturating_sub(1);
        let mut value = value & !(eecd::DO | eecd::EE_GNT);
        if self.trouble.no_arbiter {
            value &= !eecd::EE_REQ;
        } else if value & eecd::EE_REQ != 0 && self.loading == 0 && !self.trouble.never_granted {
            value |= eecd::EE_GNT;
        }
        if self.eeprom.len() == 256 {
            value |= eecd::EE_SIZE;
        }
        value | if self.wires.level { eecd::DO } else { 0 }
    }

    pub(crate) fn write(&mut self, offset: u16, value: u32) {
        if self.reset_reads > 0 {
            return;
        }
        // what the EEPROM loads
        let loaded = matches!(offset, 0x5400 | 0x5404) || offset == 0 && value & ctrl::RST == 0;
        assert!(self.loading == 0 || !loaded, "{offset:#x} written while the EEPROM loads its defaults");
        match offset {
            0x0000 if value & ctrl::RST != 0 => self.reset(),
            0x0010 => self.write_eecd(value),
            0x0014 if self.trouble.no_eerd => {}
            0x0014 => {
                let word = self.eeprom[(value >> eerd::ADDR_SHIFT & 0xff) as usize];
                *self.at(offset) = u32::from(word) << eerd::DATA_SHIFT | eerd::DONE;
            }
            0x0020 => self.write_mdic(value),
            0x00d0 => *self.at(0x00d0) |= value,
            0x00d8 => *self.at(0x00d0) &= !value,
            0x2810 => {
                assert!(!self.receives(), "RDH written while the receiver is on");
                *self.at(offset) = value % RX;
            }
            0x3810 => {
                assert!(!self.sends(), "TDH written while the transmitter is on");
                *self.at(offset) = value % TX;
            }
            0x2800..0x2810 => {
                assert!(!self.receives(), "{offset:#x} written while the receiver is on");
                *self.at(offset) = value;
            }
            0x3800..0x3810 => {
                assert!(!self.sends(), "{offset:#x} written while the transmitter is on");
                *self.at(offset) = value;
            }
            _ => *self.at(offset) = value,
        }
    }

    fn reset(&mut self) {
        if self.trouble.reset_is_nothing {
            return;
        }
        (self.reset_reads, self.loading) = (3, 4);
        if self.trouble.no_arbiter {
            self.loading = 0;
        }
        let pba = self.get(regs::PBA);
        self.registers[..0x5000 / 4].fill(0);
        self.set(regs::PBA, pba);
        // ASDE off, LRST, ILOS
        *self.at(0) = 0x88;
        self.set(regs::STATUS, 0x83);
        let mac = u64::from(self.eeprom[0]) | u64::from(self.eeprom[1]) << 16 | u64::from(self.eeprom[2]) << 32;
        self.set(regs::RAL0, mac as u32);
        self.set(regs::RAH0, regs::rah::AV | (mac >> 32) as u32);
    }

    fn write_mdic(&mut self, value: u32) {
        assert_eq!(value & 0x03e0_0000, mdic::PHY);
        let register = (value >> mdic::REG_SHIFT & 0x1f) as usize;
        let read = value & mdic::OP_READ != 0;
        if self.trouble.mdic_hangs {
            *self.at(0x0020) = value;
            return;
        }
        if !read {
            self.phy[register] = value as u16;
        }
        let answer = value & !0xffff | u32::from(self.phy[register]) | mdic::R;
        *self.at(0x0020) = answer | if self.trouble.mdic_fails { mdic::E } else { 0 };
    }

    /// The wires move: an NM93C46 or NM93C66.
    fn write_eecd(&mut self, value: u32) {
        let before = std::mem::replace(self.at(0x0010), value);
        let rises = |bit| value & bit != 0 && before & bit == 0;
        if value & eecd::CS == 0 {
            self.wires = Wires::default();
            return;
        }
        assert!(self.trouble.no_arbiter || before & eecd::EE_REQ != 0, "wires moved without asking");
        if !rises(eecd::SK) {
            return;
        }
        let address_bits = if self.eeprom.len() == 256 { 8 } else { 6 };
        if let Some(word) = self.wires.word {
            self.wires.level = self.wires.out < 16 && word >> (15 - self.wires.out) & 1 != 0;
            self.wires.out += 1;
            return;
        }
        self.wires.came.push(value & eecd::DI != 0);
        if self.wires.came.len() == 3 + address_bits {
            assert_eq!(self.wires.came[..3], [true, true, false], "READ");
            let address = self.wires.came[3..].iter().fold(0, |address, bit| address << 1 | usize::from(*bit));
            self.wires.word = Some(self.eeprom[address]);
        }
    }

    // what the wire does

    fn memory(&mut self, bus: u32) -> &mut [u8] {
        self.bus.memory(bus)
    }

    /// Where descriptor `index` of a ring is.
    fn descriptor(&mut self, base: Reg<u32>, index: u32) -> &mut [u8] {
        let base = self.get(base);
        self.memory(base + 16 * index)
    }

    /// A frame of `length` bytes, filled with `fill`, comes in whole; false if there is no room.
    pub(crate) fn receive(&mut self, length: u32, fill: u8) -> bool {
        self.receive_as(fill, u64::from(length + 4) | 3 << 32)
    }

    /// A frame without CRC comes in, over as many descriptors as it takes, with `status` besides DD and the tag that was
    /// taken out; false if there is no room. The CRC is what is in the buffer.
    pub(crate) fn receive_bytes(&mut self, frame: &[u8], status: u64, tag: u16) -> bool {
        let room = (self.get(regs::RDT) + RX - self.get(regs::RDH)) % RX;
        let with_crc = [frame, &[0xcc; 4]].concat();
        let parts = with_crc.len().div_ceil(2048);
        if (room as usize) < parts {
            return false;
        }
        for (n, part) in with_crc.chunks(2048).enumerate() {
            let (buffer, last) = (self.next_buffer(), n + 1 == parts);
            let end = if last { u64::from(tag) << 48 | status << 32 | 2 << 32 } else { 0 };
            assert!(self.receive_as(0, end | 1 << 32 | part.len() as u64));
            self.memory(buffer)[..part.len()].copy_from_slice(part);
        }
        true
    }

    /// Where the next part of a frame goes.
    fn next_buffer(&mut self) -> u32 {
        let head = self.get(regs::RDH);
        let descriptor = self.descriptor(regs::RDBAL, head);
        u32::from_le_bytes(descriptor[..4].try_into().unwrap())
    }

    /// The same, and the chip writes `word` into the descriptor.
    pub(crate) fn receive_as(&mut self, fill: u8, word: u64) -> bool {
        assert!(self.receives());
        assert_eq!((self.get(regs::RDBAL), self.get(regs::RDBAH), self.get(regs::RDLEN)), (BUS, 0, 16 * RX));
        let head = self.get(regs::RDH);
        if head == self.get(regs::RDT) {
            *self.at(regs::MPC.offset()) += 1;
            self.raise(icr::RXO);
            return false;
        }
        let descriptor = self.descriptor(regs::RDBAL, head);
        let address = u64::from_le_bytes(descriptor[..8].try_into().unwrap());
        assert_eq!(descriptor[8..16], [0; 8], "descriptor {head} was not wiped");
        descriptor[8..16].copy_from_slice(&word.to_le_bytes());
        assert!(address > BUS.into() && address < (2 * BUS).into());
        self.memory(address as u32)[..2048].fill(fill);
        self.set(regs::RDH, (head + 1) % RX);
        self.raise(icr::RXT0);
        true
    }

    pub(crate) fn has_to_send(&self) -> bool {
        self.sends() && self.get(regs::TDH) != self.get(regs::TDT)
    }

    /// The next frame to send gets `status` besides DD. Gives its address and length.
    pub(crate) fn send(&mut self, status: u8) -> (u32, u32) {
        let (address, length, vlan) = self.send_tagged(status);
        assert_eq!(vlan, None);
        (address, length)
    }

    /// The same, and which VLAN it goes to.
    pub(crate) fn send_tagged(&mut self, status: u8) -> (u32, u32, Option<u16>) {
        assert!(self.has_to_send());
        let (head, base) = (self.get(regs::TDH), BUS + 16 * RX);
        assert_eq!((self.get(regs::TDBAL), self.get(regs::TDBAH), self.get(regs::TDLEN)), (base, 0, 16 * TX));
        let descriptor = self.descriptor(regs::TDBAL, head);
        let address = u64::from_le_bytes(descriptor[..8].try_into().unwrap());
        let length = u16::from_le_bytes([descriptor[8], descriptor[9]]);
        let vlan = u16::from_le_bytes([descriptor[14], descriptor[15]]);
        let vle = if vlan == 0 { 0 } else { 0x40 };
        assert_eq!(descriptor[10..14], [0, 0x0b | vle, 0, 0], "CSO, EOP IFCS RS, status, CSS");
        descriptor[12] = 1 | status;
        self.set(regs::TDH, (head + 1) % TX);
        self.raise(icr::TXDW);
        assert!(vlan == 0 || self.get(regs::CTRL) & ctrl::VME != 0, "without VME no tag is put in");
        (address as u32, length.into(), (vlan != 0).then_some(vlan))
    }
}
