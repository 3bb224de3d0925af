//! A card of plain registers: each does what its kind says, and nothing else. For drivers that are only tests, and for
//! the register window itself.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};
use udrv_driver::{Kind, RegisterInfo};

/// Vendor and device id of the card.
pub const ID: (u16, u16) = (0x1b36, 0x7e57);
/// Bytes of its BAR 0.
const BAR_BYTES: u64 = 256;
/// What a register that does not tell back what was written reads.
pub const UNTOLD: u32 = 0x0bad_0bad;

/// What the card has come to.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// Values by offset in bytes.
    pub values: Vec<u32>,
    /// Doorbells that were rung: offset and value, in order.
    pub rung: Vec<(u16, u32)>,
    /// Commands that were written, in the same way.
    pub commands: Vec<(u16, u32)>,
    /// Register reads and writes.
    pub reads: u64,
    /// See `reads`.
    pub writes: u64,
    /// The PCI command register.
    pub command: u32,
    /// Pulled out: everything reads as all ones.
    pub gone: bool,
    /// DMA mappings in force.
    pub mappings: usize,
    /// What comes out of registers of kind `Fifo` before what is in `values`, in order.
    pub queue: VecDeque<u32>,
    /// Frames that were sent, in order: see [`BareCard::sending`].
    pub sent: Vec<Vec<u8>>,
}

/// The card.
pub struct BareCard {
    map: &'static [RegisterInfo],
    inside: Arc<Mutex<Inside>>,
    memory: Option<DmaMapping>,
    /// Doorbells that send: offsets of bus address and length.
    sends: Option<(u16, u16)>,
}

/// The back door.
#[derive(Clone)]
pub struct Door(Arc<Mutex<Inside>>);

impl Door {
    /// The inside, to look at and to change.
    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BareCard {
    /// A card with the registers of `map`, all 0.
    #[must_use]
    pub fn new(map: &'static [RegisterInfo]) -> (BareCard, Door) {
        let inside = Inside { values: vec![0; BAR_BYTES as usize], ..Inside::default() };
        let inside = Arc::new(Mutex::new(inside));
        (BareCard { map, inside: inside.clone(), memory: None, sends: None }, Door(inside))
    }

    /// The same card, one that sends frames: a doorbell at `address` says where, one at `length` how long, and then it
    /// is on the wire.
    #[must_use]
    pub fn sending(mut self, address: u16, length: u16) -> BareCard {
        self.sends = Some((address, length));
        self
    }

    /// The frame at bus address `at`.
    fn fetch(&self, at: u32, length: u32) -> Vec<u8> {
        let mapping = self.memory.as_ref().expect("memory is mapped");
        let mut frame = vec![0; length as usize];
        mapping.memory.read(u64::from(at) - mapping.iova, &mut frame).expect("a frame in the device's memory");
        frame
    }

    fn kind(&self, offset: u64) -> Kind {
        let holds = |r: &&RegisterInfo| {
            let start = u64::from(r.offset);
            (start..start + u64::from(r.width) * u64::from(r.count)).contains(&offset)
        };
        self.map.iter().find(holds).map_or(Kind::ReadOnly, |r| r.kind)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PciFunction for BareCard {
    fn name(&self) -> String {
        "model:bare".into()
    }

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        let inside = self.inside();
        Ok(match offset {
            _ if inside.gone => width.all_ones(),
            0 => u32::from(ID.0),
            2 => u32::from(ID.1),
            4 => inside.command,
            _ => 0,
        })
    }

    fn config_write(&mut self, offset: u16, _: Width, value: u32) -> Result<(), BusError> {
        if offset == 4 {
            self.inside().command = value;
        }
        Ok(())
    }

    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        if bar == 0 { Ok(BarInfo { kind: BarKind::Memory, size: BAR_BYTES }) } else { Err(BusError::NoSuchBar(bar)) }
    }

    fn bar_read(&mut self, _: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let kind = self.kind(offset);
        let mut inside = self.inside();
        inside.reads += 1;
        if inside.gone {
            return Ok(width.all_ones());
        }
        if kind == Kind::Fifo
            && let Some(value) = inside.queue.pop_front()
        {
            return Ok(value);
        }
        let value = &mut inside.values[offset as usize];
        Ok(width.all_ones()
            & match kind {
                Kind::ReadClears | Kind::Fifo => std::mem::take(value),
                Kind::WriteOnly => UNTOLD,
                _ => *value,
            })
    }

    fn bar_write(&mut self, _: u8, offset: u64, _: Width, value: u32) -> Result<(), BusError> {
        let kind = self.kind(offset);
        let sent = self.sends.filter(|(_, length)| u64::from(*length) == offset);
        let sent = sent.map(|(address, _)| self.fetch(self.inside().values[usize::from(address)], value));
        let mut inside = self.inside();
        inside.writes += 1;
        inside.sent.extend(sent);
        match kind {
            _ if inside.gone => {}
            Kind::WriteOneClears => inside.values[offset as usize] &= !value,
            Kind::Doorbell | Kind::Tail => {
                inside.rung.push((offset as u16, value));
                inside.values[offset as usize] = value;
            }
            Kind::Command => {
                inside.commands.push((offset as u16, value));
                inside.values[offset as usize] = value;
            }
            _ => inside.values[offset as usize] = value,
        }
        Ok(())
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(vec![(0x1000, 0xffff_ffff)])
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.memory = Some(mapping);
        self.inside().mappings += 1;
        Ok(())
    }

    fn unmap_dma(&mut self, _: u64, _: u64) -> Result<(), BusError> {
        self.memory = None;
        self.inside().mappings -= 1;
        Ok(())
    }

    fn enable_intx(&mut self, _: BorrowedFd<'_>) -> Result<(), BusError> {
        Ok(())
    }

    fn unmask_intx(&mut self) -> Result<(), BusError> {
        Ok(())
    }

    fn disable_intx(&mut self) -> Result<(), BusError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        Ok(ResetKind::None)
    }
}
