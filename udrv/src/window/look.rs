//! For who looks on: registers and what is known of them, and each access as it is made.

use std::sync::Arc;
use std::time::SystemTime;

use udrv_driver::{Entry, Kind};

use super::Window;
use super::map::{Register, is_shadowed};
use crate::ledger::Ledger;
use crate::registers::RegisterStatus;
use crate::trace::{Access, Tracer};

impl Window {
    /// Has accesses traced.
    pub(crate) fn set_tracer(&mut self, tracer: Option<Arc<Tracer>>) {
        self.tracer = tracer;
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, transaction: u64, entry: Entry) {
        self.call = (transaction, Some(entry));
    }

    /// All registers with what is known of them; with `live` those are read that are none the worse for it.
    pub(crate) fn registers(&mut self, ledger: &Ledger, live: bool) -> Vec<RegisterStatus> {
        let count = self.map.registers.len();
        let one = |index: usize| {
            let register = self.map.registers[index];
            let readable =
                live && changes_nothing(register.kind) && self.device.may_be_looked_at(register.offset.into());
            RegisterStatus {
                name: register.to_string(),
                offset: register.offset,
                width: register.width.bytes() as u8,
                kind: register.kind.name().to_owned(),
                shadow: if is_shadowed(register.kind) { ledger.shadow(index) } else { None },
                live: if readable { self.device_read(register).ok() } else { None },
            }
        };
        let mut all: Vec<RegisterStatus> = (0..count).map(one).collect();
        all.sort_by_key(|register| register.offset);
        all
    }

    #[inline]
    pub(super) fn trace(&self, register: Register, write: bool, value: Option<u32>) {
        let Some(tracer) = self.tracer.as_ref().filter(|tracer| tracer.is_active()) else { return };
        let Register { name, element, offset, width, .. } = register;
        let ((transaction, entry), width) = (self.call, width.bytes() as u8);
        let (at, undo) = (SystemTime::now(), self.undoing);
        tracer.note(Access { at, transaction, entry, write, undo, register: name, element, offset, width, value });
    }
}

/// Whether reading a register of this kind leaves the device as it was.
fn changes_nothing(kind: Kind) -> bool {
    match kind {
        Kind::Config | Kind::DmaAddress | Kind::ReadOnly | Kind::WriteOneClears => true,
        Kind::Doorbell | Kind::Tail | Kind::Command => true,
        Kind::ReadClears | Kind::Fifo | Kind::WriteOnly => false,
    }
}
