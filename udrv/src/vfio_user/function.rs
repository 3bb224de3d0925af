//! [`VfioUserFunction`]: the open, the [`PciFunction`] it gives, and the close.
//!
//! Order on any exit, as for kernel VFIO: interrupts off, bus mastering off, reset if there is one, DMA unmapped,
//! socket closed.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};
use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, DmaMemory, PciFunction, ResetKind, Width};
use udrv_vfio_user::Channel;
use udrv_vfio_user::message::{DeviceInfo, DmaMap, DmaUnmap, Header, IrqInfo, RegionAccess, RegionInfo, SetIrqs};

use super::connection::{Broken, Connection, Failed};

/// How long a server may take for one answer. A model answers within microseconds; this is for a busy machine.
pub const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Bytes of a page.
const PAGE: u64 = 4096;
/// No BAR of these devices comes near; a size beyond it is nonsense.
const MAX_BAR: u64 = 1 << 40;
/// Bus addresses that may be mapped: 32 bits, which all these devices have, without the page at 0 and the window of
/// interrupt messages. The protocol has no question for it.
const IOVA_RANGES: [(u64, u64); 2] = [(0x1000, 0xfedf_ffff), (0xfef0_0000, 0xffff_ffff)];

/// Configuration space (PCI Local Bus 3.0, 6.1): the vendor id.
const VENDOR_ID: u16 = 0x00;
/// Configuration space: the command register.
const COMMAND: u16 = 0x04;
/// Command register: the function answers in I/O space, and in memory space.
const COMMAND_DECODE: [(BarKind, u32); 2] = [(BarKind::Io, 1 << 0), (BarKind::Memory, 1 << 1)];
/// Command register: the function may start transfers of its own.
const COMMAND_MASTER: u32 = 1 << 2;
/// Configuration space: the first of six base address registers of 4 bytes.
const BAR0: u16 = 0x10;

/// Why a device behind a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nobody at the path.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// errno.
        source: io::Error,
    },
    /// Who answers is no vfio-user server that we understand.
    #[error("{}: {why}", path.display())]
    Server {
        /// The socket.
        path: PathBuf,
        /// What it does wrong.
        why: String,
    },
    /// What it serves is no PCI function that we could drive.
    #[error("{}: what is served there is no PCI function: {why}", path.display())]
    NotPci {
        /// The socket.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => " (no server has made this socket: udrvctl model serve NAME SOCKET makes one)",
        io::ErrorKind::ConnectionRefused => " (no vfio-user server listens at it, or it has died)",
        _ => "",
    }
}

/// A PCI function behind a vfio-user socket.
pub struct VfioUserFunction {
    path: PathBuf,
    connection: Connection,
    bars: [Option<BarInfo>; 6],
    config_size: u64,
    resets: bool,
    has_intx: bool,
    intx_enabled: bool,
    has_msi: bool,
    msi_enabled: bool,
    /// By bus address: kept for as long as the server may reach them.
    mappings: BTreeMap<u64, Arc<dyn DmaMemory>>,
    leave_running: bool,
}

impl VfioUserFunction {
    /// Connects to the server at `path`. The function has bus mastering off and its BARs answer.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_within(path, ANSWER_TIME)
    }

    /// [`VfioUserFunction::open`] for a server that may take `answer_time` for each answer.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_within(path: &Path, answer_time: Duration) -> Result<Self, OpenError> {
        let stream = UnixStream::connect(path);
        let channel =
            stream.map(Channel::new).map_err(|source| OpenError::Connect { path: path.to_owned(), source })?;
        let failed = |failed| OpenError::Server { path: path.to_owned(), why: explain("the version", failed) };
        let connection = Connection::new(channel, answer_time).map_err(failed)?;
        let mut this = Self::assemble(path, connection)?;
        this.take_over().map_err(|error| OpenError::Server { path: path.to_owned(), why: error.to_string() })?;
        debug!(path = %path.display(), "opened over vfio-user");
        Ok(this)
    }

    /// Its name with a keeper.
    pub const SOCKET: &'static str = "vfio-user-socket";

    /// Goes on over the socket of a process that has died, with `mappings` as the server has them. Touches nothing of the
    /// device; its interrupts are to be enabled, and the line unmasked.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn adopt(path: &Path, socket: OwnedFd, mappings: Vec<DmaMapping>) -> Result<Self, OpenError> {
        let failed = |failed| OpenError::Server { path: path.to_owned(), why: explain("an answer", failed) };
        let connection = Connection::adopt(Channel::new(socket.into()), ANSWER_TIME).map_err(failed)?;
        let mut this = Self::assemble(path, connection)?;
        this.mappings = mappings.into_iter().map(|mapping| (mapping.iova, mapping.memory)).collect();
        Ok(this)
    }

    fn assemble(path: &Path, mut connection: Connection) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let failed = |doing: &'static str| {
            let path = path.clone();
            move |failed| OpenError::Server { path, why: explain(doing, failed) }
        };
        let not_pci = |why: String| OpenError::NotPci { path: path.clone(), why };

        let info = device_info(&mut connection).map_err(failed("what the device is"))?;
        if info.flags & DeviceInfo::PCI == 0 {
            return Err(not_pci("it does not say so itself".to_owned()));
        }
        if info.regions <= RegionInfo::CONFIG {
            return Err(not_pci(format!("it has {} regions", info.regions)));
        }
        let config = region_info(&mut connection, RegionInfo::CONFIG).map_err(failed("configuration space"))?;
        if config.size < 256 {
            return Err(not_pci(format!("its configuration space has {} bytes", config.size)));
        }
        let mut has = |index, name| {
            let irq = irq_info(&mut connection, &info, index).map_err(failed(name))?;
            Ok::<_, OpenError>(irq.is_some_and(|irq| irq.count > 0 && irq.flags & IrqInfo::EVENTFD != 0))
        };
        let (has_intx, has_msi) = (has(IrqInfo::INTX, "INTx")?, has(IrqInfo::MSI, "MSI")?);
        let mut this = VfioUserFunction {
            path: path.clone(),
            connection,
            bars: [None; 6],
            config_size: config.size.min(4096),
            resets: info.flags & DeviceInfo::RESET != 0,
            has_intx,
            intx_enabled: false,
            has_msi,
            msi_enabled: false,
            mappings: BTreeMap::new(),
            leave_running: false,
        };
        for bar in 0..6 {
            let region = region_info(&mut this.connection, bar).map_err(failed("a BAR"))?;
            if region.size == 0 {
                continue; // not implemented, or the upper half of a 64-bit BAR
            }
            let raw = this
                .config_read(BAR0 + 4 * bar as u16, Width::U32)
                .map_err(|error| OpenError::Server { path: path.clone(), why: error.to_string() })?;
            let kind = if raw & 1 == 0 { BarKind::Memory } else { BarKind::Io };
            this.bars[bar as usize] = Some(BarInfo { kind, size: region.size });
        }
        Ok(this)
    }

    /// Bus mastering off, whatever the last client left behind, and the BARs decoded.
    fn take_over(&mut self) -> Result<(), BusError> {
        if self.config_read(VENDOR_ID, Width::U16)? == Width::U16.all_ones() {
            return Err(BusError::Gone { operation: "its vendor id reads as all ones" });
        }
        let command = self.config_read(COMMAND, Width::U16)? & !COMMAND_MASTER;
        let has = |kind| self.bars.iter().flatten().any(|bar| bar.kind == kind);
        let decode = COMMAND_DECODE.iter().filter(|(kind, _)| has(*kind)).fold(0, |bits, (_, bit)| bits | bit);
        self.config_write(COMMAND, Width::U16, command | decode)
    }

    fn set_mastering_off(&mut self) -> Result<(), BusError> {
        let command = self.config_read(COMMAND, Width::U16)?;
        self.config_write(COMMAND, Width::U16, command & !COMMAND_MASTER)
    }

    fn implemented(&self, bar: u8) -> Result<BarInfo, BusError> {
        self.bars.get(usize::from(bar)).copied().flatten().ok_or(BusError::NoSuchBar(bar))
    }

    fn read(&mut self, region: u32, place: &Place, width: Width) -> Result<u32, BusError> {
        let access = place.check(region, width)?;
        let answer = self.connection.ask(Header::REGION_READ, &[&access.bytes()], &[]);
        let answer = answer.map_err(|failed| failed.during(|| format!("read of {}", place.text())))?;
        let len = width.bytes() as usize;
        match RegionAccess::take(&answer) {
            Some((repeated, data)) if repeated == access && data.len() == len => {
                let mut value = [0; 4];
                value[..len].copy_from_slice(data);
                Ok(u32::from_le_bytes(value))
            }
            _ => Err(self.nonsense(format!("{} bytes that answer no read of {}", answer.len(), place.text()))),
        }
    }

    fn write(&mut self, region: u32, place: &Place, width: Width, value: u32) -> Result<(), BusError> {
        let access = place.check(region, width)?;
        let data = &value.to_le_bytes()[..width.bytes() as usize];
        let answer = self.connection.ask(Header::REGION_WRITE, &[&access.bytes(), data], &[]);
        let answer = answer.map_err(|failed| failed.during(|| format!("write to {}", place.text())))?;
        match RegionAccess::take(&answer) {
            Some((repeated, [])) if repeated == access => Ok(()),
            _ => Err(self.nonsense(format!("{} bytes that answer no write to {}", answer.len(), place.text()))),
        }
    }

    /// A value read from a BAR. All ones is what a bus answers for a device that has left, and may be a register's value
    /// too: the vendor id tells which.
    fn alive(&mut self, value: u32, width: Width) -> Result<u32, BusError> {
        if value == width.all_ones() && self.config_read(VENDOR_ID, Width::U16)? == Width::U16.all_ones() {
            return Err(BusError::Gone { operation: "read of a BAR" });
        }
        Ok(value)
    }

    /// `index`: INTx or MSI.
    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        count: u32,
        fds: &[BorrowedFd<'_>],
        doing: &str,
    ) -> Result<(), BusError> {
        let set = SetIrqs { argsz: SetIrqs::SIZE as u32, flags, index, start: 0, count };
        let answer = self.connection.ask(Header::DEVICE_SET_IRQS, &[&set.bytes()], fds);
        let answer = answer.map_err(|failed| failed.during(|| doing.to_owned()))?;
        self.expect_empty(&answer, doing)
    }

    fn expect_empty(&mut self, answer: &[u8], doing: &str) -> Result<(), BusError> {
        if answer.is_empty() {
            return Ok(());
        }
        Err(self.nonsense(format!("{} bytes as an answer to {doing}", answer.len())))
    }

    fn nonsense(&mut self, detail: String) -> BusError {
        self.connection.nonsense(detail).during(String::new)
    }

    fn check_mapping(&self, iova: u64, size: u64) -> Result<(), BusError> {
        let refuse = |why: &str| Err(BusError::Dma { iova, len: size, why: why.into() });
        let Some(last) = size.checked_sub(1).and_then(|n| iova.checked_add(n)) else {
            return refuse("it is empty or ends behind the address space");
        };
        if !iova.is_multiple_of(PAGE) || !size.is_multiple_of(PAGE) {
            return refuse("it is not whole pages");
        }
        if !IOVA_RANGES.iter().any(|(from, to)| iova >= *from && last <= *to) {
            return refuse("it is outside the addresses that may be mapped");
        }
        let before = self.mappings.range(..=last).next_back();
        if before.is_some_and(|(at, memory)| at + (memory.size() - 1) >= iova) {
            return refuse("it overlaps another mapping");
        }
        Ok(())
    }
}

/// Where an access goes.
struct Place {
    bar: Option<u8>,
    size: u64,
    offset: u64,
}

impl Place {
    fn space(&self) -> String {
        self.bar.map_or_else(|| "configuration space".to_owned(), |bar| format!("BAR {bar}"))
    }

    fn text(&self) -> String {
        format!("{} at {:#x}", self.space(), self.offset)
    }

    /// The access, if it fits and is aligned.
    fn check(&self, region: u32, width: Width) -> Result<RegionAccess, BusError> {
        let Place { size, offset, .. } = *self;
        if offset.checked_add(width.bytes()).is_none_or(|end| end > size) {
            return Err(BusError::OutOfRange { space: self.space(), size, offset, width });
        }
        if !offset.is_multiple_of(width.bytes()) {
            return Err(BusError::Io {
                operation: format!("{}: {width:?} is not aligned to its width", self.text()),
                source: io::Error::from(io::ErrorKind::InvalidInput),
            });
        }
        Ok(RegionAccess { offset, region, count: width.bytes() as u32 })
    }
}

fn explain(doing: &str, failed: Failed) -> String {
    match failed {
        Failed::Broken(Broken { how, detail }) if detail.is_empty() => format!("{how} (asked for {doing})"),
        Failed::Broken(Broken { how, detail }) => format!("{how} (asked for {doing}): {detail}"),
        Failed::Refused(source) => format!("the vfio-user server refuses to tell {doing}: {source}"),
    }
}

fn device_info(connection: &mut Connection) -> Result<DeviceInfo, Failed> {
    let asked = DeviceInfo { argsz: DeviceInfo::SIZE as u32, ..DeviceInfo::default() };
    let answer = connection.ask(Header::DEVICE_GET_INFO, &[&asked.bytes()], &[])?;
    match DeviceInfo::take(&answer) {
        Some((info, [])) => Ok(info),
        _ => Err(connection.nonsense(format!("{} bytes about the device", answer.len()))),
    }
}

fn region_info(connection: &mut Connection, index: u32) -> Result<RegionInfo, Failed> {
    let asked = RegionInfo { argsz: RegionInfo::SIZE as u32, index, ..RegionInfo::default() };
    let answer = connection.ask(Header::DEVICE_GET_REGION_INFO, &[&asked.bytes()], &[])?;
    // capabilities may follow: what can be mapped, which we do not
    match RegionInfo::take(&answer) {
        Some((info, _)) if info.index == index && info.size <= MAX_BAR => Ok(info),
        Some((info, _)) => Err(connection.nonsense(format!("about region {index}: {info:?}"))),
        None => Err(connection.nonsense(format!("{} bytes about region {index}", answer.len()))),
    }
}

fn irq_info(connection: &mut Connection, device: &DeviceInfo, index: u32) -> Result<Option<IrqInfo>, Failed> {
    if device.irqs <= index {
        return Ok(None);
    }
    let asked = IrqInfo { argsz: IrqInfo::SIZE as u32, index, ..IrqInfo::default() };
    let answer = connection.ask(Header::DEVICE_GET_IRQ_INFO, &[&asked.bytes()], &[])?;
    match IrqInfo::take(&answer) {
        Some((info, [])) if info.index == index => Ok(Some(info)),
        _ => Err(connection.nonsense(format!("{} bytes about interrupt index {index}", answer.len()))),
    }
}

impl PciFunction for VfioUserFunction {
    fn name(&self) -> String {
        format!("vfio-user:{}", self.path.display())
    }

    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        let place = Place { bar: None, size: self.config_size, offset: offset.into() };
        self.read(RegionInfo::CONFIG, &place, width)
    }

    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        let place = Place { bar: None, size: self.config_size, offset: offset.into() };
        self.write(RegionInfo::CONFIG, &place, width, value)
    }

    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        self.implemented(bar)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let place = Place { bar: Some(bar), size: self.implemented(bar)?.size, offset };
        let value = self.read(bar.into(), &place, width)?;
        self.alive(value, width)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let place = Place { bar: Some(bar), size: self.implemented(bar)?.size, offset };
        self.write(bar.into(), &place, width, value)
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(IOVA_RANGES.to_vec())
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let DmaMapping { iova, memory } = mapping;
        let size = memory.size();
        self.check_mapping(iova, size)?;
        let Some(memfd) = memory.memfd() else {
            let why = "it is no memfd, and only that can be shared with a server".into();
            return Err(BusError::Dma { iova, len: size, why });
        };
        let flags = DmaMap::READ | DmaMap::WRITE;
        let map = DmaMap { argsz: DmaMap::SIZE as u32, flags, offset: 0, address: iova, size };
        let answer = self.connection.ask(Header::DMA_MAP, &[&map.bytes()], &[memfd]);
        let answer = answer.map_err(|failed| failed.during(|| format!("mapping {size:#x} bytes at {iova:#x}")))?;
        self.expect_empty(&answer, "DMA_MAP")?;
        self.mappings.insert(iova, memory);
        Ok(())
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        if self.mappings.get(&iova).is_none_or(|memory| memory.size() != size) {
            return Err(BusError::Dma { iova, len: size, why: "it was never mapped".into() });
        }
        let unmap = DmaUnmap { argsz: DmaUnmap::SIZE as u32, flags: 0, address: iova, size };
        let answer = self.connection.ask(Header::DMA_UNMAP, &[&unmap.bytes()], &[]);
        let answer = answer.map_err(|failed| failed.during(|| format!("unmapping {size:#x} bytes at {iova:#x}")))?;
        match DmaUnmap::take(&answer) {
            Some((done, [])) if (done.address, done.size) == (iova, size) => {
                self.mappings.remove(&iova);
                Ok(())
            }
            _ => Err(self.nonsense(format!("{} bytes as an answer to DMA_UNMAP", answer.len()))),
        }
    }

    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        if !self.has_intx {
            return Err(BusError::Unsupported("INTx"));
        }
        let flags = SetIrqs::DATA_EVENTFD | SetIrqs::ACTION_TRIGGER;
        self.set_irqs(IrqInfo::INTX, flags, 1, &[event], "setting up INTx")?;
        self.intx_enabled = true;
        Ok(())
    }

    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        vec![(VfioUserFunction::SOCKET, self.connection.as_fd())]
    }

    fn leave_running(&mut self, leaves: bool) {
        self.leave_running = leaves;
    }

    fn unmask_intx(&mut self) -> Result<(), BusError> {
        if !self.intx_enabled {
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(BusError::Io { operation: "unmasking INTx before it was enabled".into(), source });
        }
        self.set_irqs(IrqInfo::INTX, SetIrqs::DATA_NONE | SetIrqs::ACTION_UNMASK, 1, &[], "unmasking INTx")
    }

    fn disable_intx(&mut self) -> Result<(), BusError> {
        if !self.intx_enabled {
            return Ok(());
        }
        let flags = SetIrqs::DATA_NONE | SetIrqs::ACTION_TRIGGER;
        self.set_irqs(IrqInfo::INTX, flags, 0, &[], "taking INTx down")?;
        self.intx_enabled = false;
        Ok(())
    }

    fn has_msi(&mut self) -> Result<bool, BusError> {
        Ok(self.has_msi)
    }

    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        if !self.has_msi {
            return Err(BusError::Unsupported("MSI"));
        }
        let flags = SetIrqs::DATA_EVENTFD | SetIrqs::ACTION_TRIGGER;
        self.set_irqs(IrqInfo::MSI, flags, 1, &[event], "setting up MSI")?;
        self.msi_enabled = true;
        Ok(())
    }

    fn disable_msi(&mut self) -> Result<(), BusError> {
        if !self.msi_enabled {
            return Ok(());
        }
        let flags = SetIrqs::DATA_NONE | SetIrqs::ACTION_TRIGGER;
        self.set_irqs(IrqInfo::MSI, flags, 0, &[], "taking MSI down")?;
        self.msi_enabled = false;
        Ok(())
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        if !self.resets {
            return Ok(ResetKind::None);
        }
        let answer = self.connection.ask(Header::DEVICE_RESET, &[], &[]);
        let answer = answer.map_err(|failed| failed.during(|| "reset".to_owned()))?;
        self.expect_empty(&answer, "DEVICE_RESET")?;
        Ok(ResetKind::Function)
    }
}

impl Drop for VfioUserFunction {
    fn drop(&mut self) {
        if self.leave_running {
            return;
        }
        let path = self.path.display().to_string();
        let tell = |step: &str, result: Result<(), BusError>| match result {
            // the server has broken off: said already, and there is nothing left to close
            Ok(()) | Err(BusError::Gone { .. }) => {}
            Err(error) => warn!(path, %error, "closing: {step} failed"),
        };
        tell("disabling the interrupt", self.disable_intx());
        tell("disabling MSI", self.disable_msi());
        tell("clearing bus mastering", self.set_mastering_off());
        tell("reset", self.reset().map(drop));
        let all: Vec<(u64, u64)> = self.mappings.iter().map(|(iova, memory)| (*iova, memory.size())).collect();
        for (iova, size) in all {
            tell("unmapping DMA", self.unmap_dma(iova, size));
        }
    }
}

impl fmt::Debug for VfioUserFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VfioUserFunction").field("path", &self.path).field("bars", &self.bars).finish_non_exhaustive()
    }
}
