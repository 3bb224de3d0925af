//! Faults in the source of drivers: which one is on, and what it does.
//!
//! `udrv-planter` writes copies of the drivers that ask [`on`] at each place where a mistake could be. One mistake of a process is on
//! at most; without one the copy does what the driver does.
//!
//! ```
//! let last = |of: usize| of - usize::from(!udrv_planted::on(7));
//! assert_eq!(last(4), 3);
//! udrv_planted::choose(7);
//! assert_eq!(last(4), 4, "a bound that is missed by one");
//! udrv_planted::choose(udrv_planted::NONE);
//! ```
#![no_std]
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// No fault is on.
pub const NONE: u32 = u32::MAX;
/// None is on, and it is noted which could be: see [`reached`].
const NOTING: u32 = u32::MAX - 1;
/// Places that can be noted. One that is no number of these is never on.
pub const MOST: usize = 16_384;

static CHOSEN: AtomicU32 = AtomicU32::new(NONE);
static REACHED: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Whether the fault of this place is on.
#[inline]
#[must_use]
pub fn on(place: u32) -> bool {
    let chosen = CHOSEN.load(Relaxed);
    if chosen == NOTING
        && let Some(reached) = REACHED.get(place as usize)
    {
        reached.store(true, Relaxed);
    }
    chosen == place
}

/// Turns on the fault of that place, and no other.
pub fn choose(place: u32) {
    CHOSEN.store(place, Relaxed);
}

/// From now on it is noted which places are reached. The noting is a store into memory that no driver may write: only for trials
/// without protection.
pub fn note() {
    choose(NOTING);
}

/// Places that were reached since [`note`].
pub fn reached() -> impl Iterator<Item = u32> {
    (0..).zip(&REACHED).filter(|(_, reached)| reached.load(Relaxed)).map(|(place, _)| place)
}

/// Reads through a null pointer.
#[inline(never)]
pub fn null_read() {
    let null = core::hint::black_box(core::ptr::null::<u32>());
    // SAFETY: none: this is the fault. Whoever turns it on has a process for it.
    core::hint::black_box(unsafe { null.read_volatile() });
}

/// Writes through a null pointer, as into a member of a structure that is not there.
#[inline(never)]
pub fn null_write() {
    let null = core::hint::black_box(core::ptr::without_provenance_mut::<u32>(16));
    // SAFETY: none, as in `null_read`.
    unsafe { null.write_volatile(0xdead_beef) };
}

/// Writes through a pointer that was never set: some bits of anything.
#[inline(never)]
pub fn wild_write() {
    let wild = core::hint::black_box(core::ptr::without_provenance_mut::<u32>(0x5a5a_a5a5_5a50));
    // SAFETY: none, as in `null_read`.
    unsafe { wild.write_volatile(0xdead_beef) };
}

/// Writes over the end of an array on the stack: the return address of whoever called goes.
#[inline(never)]
pub fn smash_stack() {
    const OVER: usize = 24;
    let mut array = core::hint::black_box([0_u64; 4]);
    let start = array.as_mut_ptr();
    for index in 0..core::hint::black_box(array.len() + OVER) {
        // SAFETY: none, as in `null_read`.
        unsafe { start.add(index).write_volatile(0x6b6b_6b6b_6b6b_6b6b) };
    }
    core::hint::black_box(&array);
}

/// Divides by zero as the processor sees it, without the compiler's check.
#[inline(never)]
pub fn divide() {
    // SAFETY: none, as in `null_read`: the processor traps.
    unsafe { core::arch::asm!("xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _) };
}

/// Computes without end.
#[inline(never)]
pub fn endless_loop() {
    while core::hint::black_box(true) {
        core::hint::spin_loop();
    }
}

/// An index that is out of bounds: the compiler's check panics.
///
/// # Panics
/// Always.
#[inline(never)]
pub fn out_of_bounds() {
    let array = core::hint::black_box([0_u8; 4]);
    core::hint::black_box(array[core::hint::black_box(array.len())]);
}

/// Calls itself until the stack ends.
#[inline(never)]
pub fn recurse() {
    fn deeper(depth: u64) -> u64 {
        let room = core::hint::black_box([depth; 64]);
        if core::hint::black_box(depth) == u64::MAX {
            return 0;
        }
        deeper(depth + 1) + core::hint::black_box(&room)[0]
    }
    core::hint::black_box(deeper(0));
}

/// Garbles a value: what a structure holds makes no sense any more.
#[inline(never)]
pub fn spoil<T>(value: &mut T) {
    let bytes = core::ptr::from_mut(value).cast::<u8>();
    for index in 0..size_of::<T>() {
        // SAFETY: inside the value. That it may be no value of its type afterwards is the fault.
        unsafe {
            let byte = bytes.add(index);
            byte.write_volatile(byte.read_volatile() ^ 0x5a);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // one test: what is chosen is the process's
    #[test]
    fn one_fault_is_on_and_what_is_reached_is_noted() {
        assert!(!on(3) && !on(u32::MAX - 7));
        choose(3);
        assert!(on(3) && !on(4));
        choose(NONE);
        assert!(reached().next().is_none());
        note();
        assert!(!on(5) && !on(2) && !on(MOST as u32));
        assert_eq!(reached().collect::<std::vec::Vec<_>>(), [2, 5]);
        choose(NONE);
        let mut word = 0x1234_u32;
        spoil(&mut word);
        assert_eq!(word, 0x1234 ^ 0x5a5a_5a5a);
    }

    extern crate std;
}
