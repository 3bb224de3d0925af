//! What the small framework needs of a small chip, whatever its class.

use udrv_driver::abi::Request;
use udrv_driver::{Driver, Error};

use crate::Bus;

/// A small chip as the framework's side of the border sees it. Of a network card it is a [`crate::Chip`] besides.
pub trait Device: Sized + 'static {
    /// Its driver.
    type Driver: Driver;

    /// Where in DMA memory the first frame may lie that goes up; a chip that brings none has none.
    const FRAMES_FROM: Option<u32> = None;

    /// Microseconds that an access takes: 0 for a driver that lets time pass only by pauses.
    const ACCESS_TAKES: u64 = 0;

    /// Just plugged in.
    fn new() -> Self;
    /// See [`Bus`].
    fn bus(&mut self) -> &mut Bus;
    /// The driver reads; the register is declared and the chip is there. The offset is that of the map, with a page in it if
    /// there are pages.
    fn read(&mut self, offset: u16, width: u8) -> u32;
    /// The driver writes. So it is.
    fn write(&mut self, offset: u16, width: u8, value: u32);
    /// What is in a register, without an effect.
    fn peek(&self, offset: u16, width: u8) -> u32;
    /// Puts something there, without an effect.
    fn poke(&mut self, offset: u16, width: u8, value: u32);
    /// Microseconds go by.
    fn let_pass(&mut self, time: u64) {
        let _ = time;
    }
    /// Why the access that was just made has failed, if it has.
    fn failure(&mut self) -> Option<Error> {
        None
    }
    /// Whether accesses to a register fail when it has left, on a bus that notices; if not, reads give ones.
    fn fails_when_gone(offset: u16) -> bool {
        let _ = offset;
        false
    }
    /// Asserts that a driver of this chip makes this request for DMA memory, at this offset.
    fn assert_memory_access(request: Request, at: u64) {
        assert!(at.is_multiple_of(4), "{request:?} at {at:#x}");
    }
    /// Asserts that a driver writes no other values into this doorbell.
    fn assert_doorbell(offset: u16, value: u32) {
        let _ = (offset, value);
    }
}
