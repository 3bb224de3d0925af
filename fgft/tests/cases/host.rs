//! The host's side of the upcalls that cases make.

use std::arch::asm;
use std::sync::Once;
use std::time::Duration;

use fgft::{DomainMemory, Refusal, Upcalls, mmio};

use crate::common::thread::cpu_time;

/// Counts in the ledger, and no more.
pub(crate) const COUNT: u64 = 0;
/// Is refused.
pub(crate) const REFUSE: u64 = 1;
/// Panics in the host.
pub(crate) const PANIC: u64 = 2;
/// Uses as much CPU time as the first word says, in microseconds.
pub(crate) const BURN: u64 = 3;
/// Reads and writes, in every width, memory that is not there, at the address in the first word.
pub(crate) const TOUCH: u64 = 4;
/// Copies from the address in the first word to the one in the second.
pub(crate) const COPY: u64 = 5;
/// Checks that the host's code runs with flags and control registers as it expects them.
pub(crate) const CALCULATE: u64 = 6;

const MISTAKE: &str = "the host's own mistake";

pub(crate) struct Host;

impl Upcalls<u64> for Host {
    fn upcall(
        &mut self,
        ledger: &mut u64,
        memory: &DomainMemory,
        number: u64,
        words: [u64; 4],
    ) -> Result<[u64; 2], Refusal> {
        match number {
            COUNT => {
                *ledger += 1;
                Ok([*ledger, 0])
            }
            REFUSE => Err("not today".into()),
            PANIC => panic!("{MISTAKE}"),
            BURN => {
                burn(Duration::from_micros(words[0]));
                Ok([0; 2])
            }
            TOUCH => {
                touch(words[0]);
                Ok([0; 2])
            }
            COPY => {
                let mut buffer = [0; 16];
                memory.read(words[0], &mut buffer)?;
                memory.write(words[1], &buffer)?;
                Ok([0; 2])
            }
            CALCULATE => {
                calculates_rightly();
                Ok([0; 2])
            }
            _ => Err(Refusal(format!("upcall {number:#x}: there is none"))),
        }
    }
}

fn burn(time: Duration) {
    let end = cpu_time() + time;
    while cpu_time() < end {
        std::hint::spin_loop();
    }
}

/// A BAR whose device has left: each access is an error, not a death.
pub(crate) fn touch(at: u64) {
    // SAFETY: not there, which is the test; if it were, it would be a page of these tests.
    unsafe {
        assert_eq!(mmio::read_u8(at as *const u8).map_err(|f| f.address), Err(at));
        assert_eq!(mmio::read_u16(at as *const u16).map_err(|f| f.address), Err(at));
        assert_eq!(mmio::read_u32(at as *const u32).map_err(|f| f.address), Err(at));
        assert_eq!(mmio::write_u8(at as *mut u8, 1).map_err(|f| f.address), Err(at));
        assert_eq!(mmio::write_u16(at as *mut u16, 1).map_err(|f| f.address), Err(at));
        assert_eq!(mmio::write_u32(at as *mut u32, 1).map_err(|f| f.address), Err(at));
        assert!(mmio::copy_from(&mut [0; 64], at as *const u8).is_err());
    }
}

/// Fails if flags, mxcsr or the x87 unit are not as the ABI wants them.
pub(crate) fn calculates_rightly() {
    let third = std::hint::black_box(1.0_f64) / std::hint::black_box(3.0);
    assert_eq!(third.to_bits(), 0x3fd5_5555_5555_5555, "rounding is to nearest, and no exception is unmasked");
    // eight values fit if all eight registers are free
    let mut sum = 0_u32;
    // SAFETY: leaves the x87 stack as it was.
    unsafe {
        asm!(
            "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1",
            "faddp", "faddp", "faddp", "faddp", "faddp", "faddp", "faddp",
            "fistp dword ptr [{}]", in(reg) &raw mut sum,
        );
    }
    assert_eq!(sum, 8, "the x87 stack is empty");
    // upwards, and at an odd address
    let mut bytes = *b"0123456789abcdef";
    // SAFETY: within the array.
    unsafe {
        let at = bytes.as_mut_ptr();
        asm!("rep movsb", inout("rcx") 4_u64 => _, inout("rdi") at => _, inout("rsi") at.add(8) => _);
        assert_eq!(at.add(1).cast::<u32>().read_unaligned().to_ne_bytes(), *b"9ab4");
    }
}

/// The panics that are part of the plan would fill pages.
pub(super) fn silence_its_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(MISTAKE) {
                loud(info);
            }
        }));
    });
}
