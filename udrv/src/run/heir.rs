//! What can be done for going on with a device while the process that has it still runs: map what that keeps, and look at
//! what does not change. See `adopt.rs` for the rest.

use std::fmt::Display;
use std::time::Instant;

use fgft::{Domain, DomainConfig, StateKind};
use udrv_bus::BusError;
use udrv_driver::{Driver, RegisterInfo};

use super::adopt::as_before;
use super::{Class, DeviceError, InterruptChoice, Options, Running, identify};
use crate::device::Opened;
use crate::host::Host;
use crate::keep::{LastCall, Left, NotAdopted};
use crate::ledger::Ledger;
use crate::pool::Pool;
use crate::window::Window;

/// What happens to a device that cannot be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It reaches no memory any more, and is for whoever called: to be made quiet and started anew.
    Stopped,
    /// It is left as it is, for another process to go on with.
    Left,
}

/// All that is needed to go on with a device, mapped. Until [`Heir::go_on`] nothing is touched, and its process may go on.
pub struct Heir<C: Class> {
    left: Left,
    pool: Pool,
    domain: fgft::Heir<<C::Driver as Driver>::State, Ledger>,
    options: Options,
}

impl<C: Class> Heir<C> {
    /// Maps what was left, and looks at what does not change.
    pub(crate) fn prepare(left: Left, options: Options) -> Result<Heir<C>, NotAdopted> {
        let facts = &left.facts;
        same("driver", &facts.driver, &C::Driver::NAME)?;
        same("state version", &facts.state_version, &C::Driver::STATE_VERSION)?;
        same("register map", &facts.registers, &checksum(C::Driver::REGISTERS))?;
        let pool = Pool::adopt(left.region.clone(), facts.iova, facts.buffer_bytes, &facts.device);
        let pool = pool.map_err(NotAdopted::Nonsense)?;
        let kind = StateKind { name: C::Driver::NAME, version: C::Driver::STATE_VERSION };
        let config = DomainConfig { deadline: options.deadline, ..DomainConfig::new(kind) };
        let state = left.state.try_clone().map_err(NotAdopted::Descriptors)?;
        let domain = Domain::prepare_adoption(&config, state)?;
        Ok(Heir { left, pool, domain, options })
    }

    /// Has its memory at hand: there is time for that before it is needed.
    pub(crate) fn touch_all(&self) {
        self.domain.touch();
        self.left.region.touch();
        self.left.kept.touch();
    }

    /// Goes on. `class` makes the class of what was told.
    pub(crate) fn go_on_as(
        self,
        mut opened: Opened,
        refused: Refused,
        class: impl FnOnce(&Left, &Options) -> Result<C, NotAdopted>,
    ) -> Result<Running<C>, NotAdopted> {
        let start = Instant::now();
        opened.leave_running(refused == Refused::Left);
        let Heir { mut left, pool, domain, mut options } = self;
        left.claim()?;
        let Left { kept, facts, .. } = &left;
        let name = opened.name();
        let policy = options.policy(C::ENTRIES)?;
        let identity = identify::<C::Driver>(&mut opened, &name)?;
        same("device", &facts.device, &name)?;
        let of_identity = (identity.vendor, identity.product, identity.revision);
        same("chip", &format!("{:04x?}", facts.identity), &format!("{of_identity:04x?}"))?;
        let domain = domain.adopt()?;
        if !pool.fits(domain.ledger()) {
            return Err(NotAdopted::Nonsense("the ledger names memory that is not there"));
        }
        let last = match kept.last_call(domain.generation()) {
            LastCall::Unprotected => return Err(NotAdopted::Unprotected),
            LastCall::Torn => return Err(NotAdopted::TornCall),
            last => last,
        };
        options.clock = as_before(&options.clock, kept);
        // what is set up in the kernel cannot be another kind without a gap
        options.interrupts = if kept.by_messages() { InterruptChoice::Msi } else { InterruptChoice::Line };
        let fit = |source| DeviceError::Fit { device: name.clone(), driver: C::Driver::NAME, source };
        let mut device = opened.fit(C::Driver::BUS).map_err(fit)?;
        let in_bus = |source: BusError| NotAdopted::Device(DeviceError::Bus { device: name.clone(), source });
        if !device.has_dma().map_err(in_bus)? {
            return Err(NotAdopted::Stopped);
        }
        let class = class(&left, &options)?;
        let window = Window::new(device, C::Driver::REGISTERS, pool.bus_range(), kept.clone());
        let host = Host::new(window, pool, options.clock.clone(), kept.clone());
        let mut device = Running::assemble(class, name, identity, domain, host, options, policy)?;
        device.protect_as(&facts.protection);
        let examined = start.elapsed();
        if let Err(why) = device.go_on(last) {
            match refused {
                Refused::Stopped => device.abandon(),
                Refused::Left => device.let_go(),
            }
            return Err(why);
        }
        device.host.window.device().leave_running(false);
        tracing::info!(
            device = %device.name,
            driver = C::Driver::NAME,
            last_call = ?last,
            examined_us = examined.as_micros() as u64,
            us = start.elapsed().as_micros() as u64,
            "going on where a process before this one has ended"
        );
        Ok(device)
    }
}

fn same(what: &'static str, left: &dyn Display, here: &dyn Display) -> Result<(), NotAdopted> {
    let (left, here) = (left.to_string(), here.to_string());
    if left == here { Ok(()) } else { Err(NotAdopted::Other { what, left, here }) }
}

/// Of a register map.
pub(super) fn checksum(map: &[RegisterInfo]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for RegisterInfo { name, offset, width, kind, count } in map {
        hasher.update(format!("{name} {offset} {width} {kind:?} {count}\n").as_bytes());
    }
    hasher.finalize()
}
