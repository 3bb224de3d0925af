//! A small chip: as much of an RTL8139C as a driver can see go wrong.

use rtl8139::regs::{cr, cr9346, isr, tsd};
use udrv_driver::MacAddress;
use udrv_driver_tests::{BUS, Bus, MAC, Window};

/// An RTL8139C.
const VERSION: u32 = 0x7400_0000;
/// RBLEN of 32 KiB.
pub(crate) const RING: u32 = 0x8000;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) reset_hangs: bool,
    pub(crate) never_empty: bool,
    /// A write of RCR starts the ring anew, as in QEMU.
    pub(crate) rcr_restarts_ring: bool,
    /// A reset loads IDR anew, as in QEMU.
    pub(crate) reset_loads_mac: bool,
}

pub(crate) struct Chip {
    pub(crate) registers: Window,
    pub(crate) version: u32,
    pub(crate) trouble: Trouble,
    pub(crate) bus: Bus,
    /// Where the chip writes next.
    cbr: u32,
    /// Slot whose turn it is.
    turn: usize,
    reset_reads: u32,
    /// A frame of which only the first header has come: its place, and the header to be.
    pub(crate) unfinished: Option<(usize, u32)>,
    /// How often the slot whose turn it is was aborted, in a row.
    pub(crate) aborts: u32,
}

impl Chip {
    pub(crate) fn new() -> Chip {
        let mut chip = Chip {
            registers: Window::new(256),
            version: VERSION,
            trouble: Trouble::default(),
            bus: Bus::default(),
            cbr: 0,
            turn: 0,
            reset_reads: 0,
            unfinished: None,
            aborts: 0,
        };
        chip.load_mac(MAC);
        chip
    }

    pub(crate) fn get(&self, offset: u16, width: u8) -> u32 {
        self.registers.get(offset, width)
    }

    pub(crate) fn set(&mut self, offset: u16, width: u8, value: u32) {
        self.registers.set(offset, width, value);
    }

    pub(crate) fn raise(&mut self, causes: u16) {
        self.set(0x3e, 2, self.get(0x3e, 2) | u32::from(causes));
    }

    pub(crate) fn load_mac(&mut self, mac: MacAddress) {
        self.registers[..6].copy_from_slice(&mac.0);
    }

    pub(crate) fn enabled(&self, bit: u8) -> bool {
        self.registers[0x37] & bit != 0
    }

    fn read_pointer(&self) -> u32 {
        u32::from((self.get(0x38, 2) as u16).wrapping_add(16)) % RING
    }

    /// Bytes of the ring in which nothing is that the driver has not been past.
    pub(crate) fn room(&self) -> u32 {
        RING - (self.cbr + RING - self.read_pointer()) % RING
    }

    pub(crate) fn read(&mut self, offset: u16, width: u8) -> u32 {
        match offset {
            0x37 => {
                if self.reset_reads > 0 && !self.trouble.reset_hangs {
                    self.reset_reads -= 1;
                }
                let reset = if self.reset_reads > 0 { cr::RST } else { 0 };
                let empty = self.cbr == self.read_pointer() && !self.trouble.never_empty;
                (self.registers[0x37] | reset | if empty { cr::BUFE } else { 0 }).into()
            }
            0x3a => self.cbr,
            0x40 => self.get(0x40, 4) | self.version,
            _ => self.get(offset, width),
        }
    }

    pub(crate) fn write(&mut self, offset: u16, width: u8, value: u32) {
        if self.reset_reads > 0 {
            return;
        }
        match offset {
            0x37 if value as u8 & cr::RST != 0 => self.reset(),
            0x37 => {
                let value = value as u8 & (cr::RE | cr::TE);
                if value & !self.registers[0x37] & cr::RE != 0 {
                    self.cbr = 0;
                    self.set(0x38, 2, 0xfff0);
                }
                self.registers[0x37] = value;
            }
            // only with the transmitter on; CLRABT reads 0 and sends the slot again
            0x40 if self.enabled(cr::TE) => {
                self.set(0x40, 4, value & !1);
                if value & 1 != 0 {
                    let slot = self.tsd();
                    assert_ne!(self.get(slot, 4) & tsd::TABT, 0, "CLRABT without an abort");
                    self.set(slot, 4, self.get(slot, 4) & !(tsd::TABT | tsd::OWN));
                }
            }
            0x40 => panic!("TCR without TE"),
            0x44 => {
                assert!(self.enabled(cr::RE), "RCR without RE");
                self.set(0x44, 4, value);
                if self.trouble.rcr_restarts_ring {
                    self.cbr = 0;
                    self.set(0x38, 2, 0xfff0);
                }
            }
            0x30 => {
                assert!(value != 0 || !self.enabled(cr::RE), "the receiver is on and would write at 0");
                self.set(0x30, 4, value);
            }
            0x3e => self.set(0x3e, 2, self.get(0x3e, 2) & !value),
            0x4c => self.set(0x4c, 4, 0),
            0x00 | 0x04 if self.registers[0x50] != cr9346::CONFIG_WRITE => panic!("IDR while locked"),
            _ => self.set(offset, width, value),
        }
    }

    fn reset(&mut self) {
        self.reset_reads = 3;
        self.registers[0x10..0x58].fill(0);
        for slot in 0..4 {
            self.set(0x10 + 4 * slot, 4, tsd::OWN);
        }
        self.set(0x38, 2, 0xfff0);
        (self.cbr, self.turn) = (0, 0);
        if self.trouble.reset_loads_mac {
            self.load_mac(MAC);
        }
    }

    // what the wire does

    /// A frame of `length` bytes, filled with `fill`, comes in whole.
    pub(crate) fn receive(&mut self, length: u32, fill: u8) {
        self.receive_as(length, fill, (length + 4) << 16 | 0x4001);
    }

    /// The same under another header. Gives the header's place.
    pub(crate) fn receive_as(&mut self, length: u32, fill: u8, header: u32) -> usize {
        assert!(self.enabled(cr::RE) && self.get(0x30, 4) == BUS);
        let at = self.cbr as usize;
        let ring = &mut self.bus.dma[0];
        ring[at..at + 4].copy_from_slice(&header.to_le_bytes());
        ring[at + 4..at + 4 + length as usize].fill(fill);
        self.cbr = (self.cbr + 4 + (length + 4).next_multiple_of(4)) % RING;
        self.raise(isr::ROK);
        at
    }

    /// The chip says that it writes there next.
    pub(crate) fn point_cbr(&mut self, cbr: u32) {
        self.cbr = cbr;
    }

    /// The frame of which only the first header has come is there; false if there is none.
    pub(crate) fn finish_frame(&mut self) -> bool {
        let Some((at, header)) = self.unfinished.take() else { return false };
        self.bus.dma[0][at..at + 4].copy_from_slice(&header.to_le_bytes());
        true
    }

    /// TSD of the slot whose turn it is.
    fn tsd(&self) -> u16 {
        0x10 + 4 * self.turn as u16
    }

    /// Whether the slot whose turn it is was handed over.
    pub(crate) fn has_to_send(&self) -> bool {
        self.get(self.tsd(), 4) & tsd::OWN == 0
    }

    /// The slot whose turn it is gets `status`; done with it unless it is an abort.
    pub(crate) fn send(&mut self, status: u32) -> (u32, u32) {
        assert!(self.enabled(cr::TE));
        let slot = self.tsd();
        let command = self.get(slot, 4);
        assert_eq!(command & tsd::OWN, 0, "slot {} was not handed over", self.turn);
        let sent = (self.get(slot + 0x10, 4), command & 0x1fff);
        self.set(slot, 4, command | tsd::OWN | status);
        if status & tsd::TABT == 0 {
            self.turn = (self.turn + 1) % 4;
            self.raise(isr::TOK);
        } else {
            self.raise(isr::TER);
        }
        sent
    }
}
