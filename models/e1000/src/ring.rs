//! A descriptor ring: base, length, head, tail (manual, 3.2.6 and 3.4).
//!
//! Hardware owns the descriptors from head up to, not including, tail. Equal pointers: none.

/// Bytes of a descriptor, of every kind.
pub(crate) const DESCRIPTOR: u32 = 16;
/// Bits of the length: whole cache lines, 128 bytes.
const LENGTH_MASK: u32 = 0x000f_ff80;

#[derive(Debug, Default)]
pub(crate) struct Ring {
    base: u64,
    length: u32,
    head: u16,
    tail: u16,
    /// A master abort: nothing moves until the queue is enabled again.
    pub(crate) stopped: bool,
}

impl Ring {
    pub(crate) const fn head(&self) -> u16 {
        self.head
    }

    /// Reads the register at `offset` bytes behind the first of the ring's.
    pub(crate) const fn read(&self, offset: u32) -> u32 {
        match offset {
            0x00 => self.base as u32,
            0x04 => (self.base >> 32) as u32,
            0x08 => self.length,
            0x10 => self.head as u32,
            0x18 => self.tail as u32,
            _ => 0,
        }
    }

    pub(crate) const fn write(&mut self, offset: u32, value: u32) {
        match offset {
            0x00 => self.base = self.base & !0xffff_ffff | (value & !0xf) as u64,
            0x04 => self.base = self.base & 0xffff_ffff | (value as u64) << 32,
            0x08 => self.length = value & LENGTH_MASK,
            0x10 => self.head = value as u16,
            0x18 => self.tail = value as u16,
            _ => {}
        }
    }

    /// Descriptors in the ring.
    pub(crate) const fn size(&self) -> u32 {
        self.length / DESCRIPTOR
    }

    /// Descriptors that hardware owns; none while a pointer is outside the ring.
    pub(crate) const fn owned(&self) -> u32 {
        let (head, tail, size) = (self.head as u32, self.tail as u32, self.size());
        if self.stopped || head >= size || tail >= size { 0 } else { (tail + size - head) % size }
    }

    /// Bus address of the descriptor at the head.
    pub(crate) const fn address(&self) -> u64 {
        self.base.wrapping_add((self.head as u32 * DESCRIPTOR) as u64)
    }

    /// Moves the head to the next descriptor.
    pub(crate) const fn advance(&mut self) {
        self.head = if self.head as u32 + 1 >= self.size() { 0 } else { self.head + 1 };
    }
}
