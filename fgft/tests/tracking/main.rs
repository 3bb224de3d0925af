//! Object tracking: no leak, no double release, and no handle is believed that should not be.
#![allow(unsafe_code, reason = "code inside a domain")]

mod lent;
mod locks;
mod model;
mod table;

use fgft::tracking::{Kind, Ranged};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An object whose real counterpart is a number that a host must release once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Thing {
    id: u64,
    bytes: u64,
}

impl Kind for Thing {
    const NAME: &'static str = "thing";
}

impl Ranged for Thing {
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Thing {
    fn new(id: u64) -> Thing {
        Thing { id, bytes: 100 }
    }
}

/// A fault as a driver makes it.
fn fault() {
    // SAFETY: not safe at all: it is the fault under test.
    unsafe { std::arch::asm!("mov qword ptr [{}], 1", in(reg) 0x18_u64) };
}
