//! A small host controller: as much of `udrv_driver::usb` as a driver can see go wrong.

use std::collections::VecDeque;

use udrv_driver::usb::{
    CAUSES, CHAIN, DESCRIPTOR_BYTES, DEVICE_ID, MAX_CHAIN, OWN, RING_BASE, RING_COUNT, RING_DOORBELL, RING_RESET,
    RING_SIZE, status,
};
use udrv_driver_tests::{BUS, Bus};

/// Numbers of the rings.
pub(crate) const RX: usize = 0;
pub(crate) const TX: usize = 1;
pub(crate) const TOLD: usize = 2;

/// A transfer that is under way: its descriptors, and where the bytes of each are and how many.
#[derive(Debug)]
pub(crate) struct Transfer {
    first: u32,
    pub(crate) parts: Vec<(u32, u32)>,
}

/// A ring and its endpoint.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    pub(crate) base: u32,
    pub(crate) size: u32,
    next: u32,
    count: u32,
    pub(crate) under_way: VecDeque<Transfer>,
    pub(crate) halted: bool,
}

impl Ring {
    fn word(&self, bus: &mut Bus, index: u32, word: u32) -> u32 {
        let place = self.base + index * DESCRIPTOR_BYTES + 4 * word;
        u32::from_le_bytes(*bus.memory(place).first_chunk().unwrap())
    }

    /// The transfer that ends next is over.
    pub(crate) fn end(&mut self, bus: &mut Bus, status: u32, length: u32) -> Transfer {
        let transfer = self.under_way.pop_front().expect("a transfer that is under way");
        for index in 0..transfer.parts.len() as u32 {
            let place = self.base + (transfer.first + index) % self.size * DESCRIPTOR_BYTES;
            bus.memory(place + 8)[..4].copy_from_slice(&length.to_le_bytes());
            bus.memory(place + 12)[..4].copy_from_slice(&status.to_le_bytes());
        }
        transfer
    }

    /// Takes what was handed over.
    fn take(&mut self, bus: &mut Bus, is_out: bool) {
        assert!(self.base != 0 && self.size != 0, "a doorbell of a ring that is not there");
        loop {
            let in_use: usize = self.under_way.iter().map(|transfer| transfer.parts.len()).sum();
            let (first, mut parts, mut chained) = (self.next, Vec::new(), true);
            while chained {
                if in_use + parts.len() >= self.size as usize {
                    return assert!(parts.is_empty(), "the end of a chain is missing");
                }
                let index = (first + parts.len() as u32) % self.size;
                let [address, length, _, control] = [0, 1, 2, 3].map(|word| self.word(bus, index, word));
                if control & OWN == 0 {
                    return assert!(parts.is_empty(), "the end of a chain is not handed over");
                }
                assert_eq!(control & !OWN & !CHAIN, 0);
                chained = control & CHAIN != 0;
                assert!(is_out || !chained, "IN is not chained");
                parts.push((address, length));
                assert!(parts.len() <= MAX_CHAIN);
            }
            assert!(parts.iter().all(|(address, length)| *address >= BUS && *length != 0));
            self.next = (first + parts.len() as u32) % self.size;
            self.count += parts.len() as u32;
            self.under_way.push_back(Transfer { first, parts });
        }
    }
}

/// The controller with its three rings.
#[derive(Debug, Default)]
pub(crate) struct Controller {
    pub(crate) rings: [Ring; 3],
    pub(crate) causes: u32,
    pub(crate) id: u32,
}

impl Controller {
    pub(crate) fn read(&mut self, offset: u16) -> u32 {
        if offset == CAUSES.offset() { std::mem::take(&mut self.causes) } else { self.peek(offset) }
    }

    pub(crate) fn peek(&self, offset: u16) -> u32 {
        let number = usize::from(offset & 0xf) / 4;
        match offset {
            _ if offset == CAUSES.offset() => self.causes,
            _ if offset == DEVICE_ID.offset() => self.id,
            _ if offset == RING_BASE[number].offset() => self.rings[number].base,
            _ if offset == RING_SIZE[number].offset() => self.rings[number].size,
            _ if offset == RING_COUNT[number].offset() => self.rings[number].count,
            _ => panic!("{offset:#x} is not read"),
        }
    }

    /// Says whether it has had to end a halt of the device's.
    pub(crate) fn write(&mut self, bus: &mut Bus, offset: u16, value: u32) -> bool {
        let number = usize::from(offset & 0xf) / 4;
        let ring = &mut self.rings[number];
        match offset {
            _ if offset == RING_BASE[number].offset() => {
                assert!(ring.under_way.is_empty(), "it is moved while transfers are under way");
                ring.base = value;
            }
            _ if offset == RING_SIZE[number].offset() => {
                assert!(ring.under_way.is_empty(), "it is cut while transfers are under way");
                ring.size = value;
            }
            _ if offset == RING_DOORBELL[number].offset() => {
                ring.take(bus, number == TX);
                self.serve_halted(bus, number);
            }
            _ if offset == RING_RESET[number].offset() => {
                self.end_all(bus, number, status::CANCELLED);
                let ring = &mut self.rings[number];
                (ring.next, ring.count) = (0, 0);
                self.causes &= !(1 << number);
                return std::mem::take(&mut ring.halted);
            }
            _ => panic!("{offset:#x} is not written"),
        }
        false
    }

    /// A transfer of this ring ends.
    pub(crate) fn end(&mut self, bus: &mut Bus, number: usize, status: u32, length: u32) -> Transfer {
        self.causes |= 1 << number;
        self.rings[number].end(bus, status, length)
    }

    /// All of them.
    pub(crate) fn end_all(&mut self, bus: &mut Bus, number: usize, status: u32) {
        while !self.rings[number].under_way.is_empty() {
            self.end(bus, number, status, 0);
        }
    }

    /// The endpoint stalls.
    pub(crate) fn halt(&mut self, bus: &mut Bus, number: usize) {
        self.rings[number].halted = true;
        self.serve_halted(bus, number);
    }

    fn serve_halted(&mut self, bus: &mut Bus, number: usize) {
        if self.rings[number].halted {
            self.end_all(bus, number, status::STALLED);
            self.causes |= 1 << number;
        }
    }
}
