//! One client: what it says, and what it is answered.
//!
//! A command that cannot be done is answered with an errno, and the client goes on. A message that is none ends the
//! connection.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use udrv_bus::{BusError, PciFunction, ResetKind, Width};
use udrv_vfio_user::message::{DeviceInfo, DmaMap, DmaUnmap, Header, IrqInfo, RegionAccess, RegionInfo, SetIrqs};
use udrv_vfio_user::{Channel, ChannelError, MAX_DATA, Message, Ready, version};

use crate::dma::Dma;
use crate::irq::{self, Interrupts};
use crate::regions::{self, Space};

/// How long a client may take for the rest of a message that it has begun, and for taking an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server is to stop.
    Stopped,
    /// The client has gone.
    Disconnected,
}

/// A client and its function.
pub(crate) struct Session {
    channel: Channel,
    function: Box<dyn PciFunction>,
    config_size: u64,
    resets: bool,
    dma: Dma,
    interrupts: Interrupts,
    /// The client has said its version.
    greeted: bool,
}

/// Why a command was not done.
struct Refusal {
    errno: Errno,
    why: String,
}

impl Refusal {
    fn new(errno: Errno, why: impl Into<String>) -> Refusal {
        Refusal { errno, why: why.into() }
    }
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Refusal {
        let errno = match &error {
            BusError::Gone { .. } => Errno::NODEV,
            BusError::OutOfRange { .. } | BusError::NoSuchBar(_) | BusError::Dma { .. } => Errno::INVAL,
            BusError::Unsupported(_) => Errno::NOTSUP,
            BusError::Stall { .. } | BusError::Refused { .. } => Errno::PIPE,
            BusError::Timeout { .. } => Errno::TIMEDOUT,
            BusError::Short { .. } => Errno::REMOTEIO,
            BusError::Io { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
        };
        Refusal { errno, why: error.to_string() }
    }
}

type Answer = Result<Vec<u8>, Refusal>;

impl Session {
    /// Takes a client. The function is reset, which also tells whether it can be.
    pub(crate) fn new(channel: Channel, mut function: Box<dyn PciFunction>) -> Result<Session, BusError> {
        let resets = function.reset()? == ResetKind::Function;
        // PCI has 256 bytes of configuration space, PCI Express 4096.
        let config_size = if function.config_read(0x100, Width::U32).is_ok() { 4096 } else { 256 };
        let (dma, interrupts) = (Dma::default(), Interrupts::default());
        Ok(Session { channel, function, config_size, resets, dma, interrupts, greeted: false })
    }

    /// Answers until the client goes or `stop` becomes readable.
    pub(crate) fn run(&mut self, stop: BorrowedFd<'_>) -> Result<End, ChannelError> {
        loop {
            if self.channel.wait(stop)? == Ready::Stop {
                return Ok(End::Stopped);
            }
            let deadline = Instant::now() + PATIENCE;
            let message = match self.channel.receive(deadline) {
                Ok(message) => message,
                Err(ChannelError::Closed) => return Ok(End::Disconnected),
                Err(error) => return Err(error),
            };
            let header = message.header;
            if header.flags & Header::TYPE != 0 {
                return Err(ChannelError::Malformed("a reply, and nothing was asked".to_owned()));
            }
            let answer = self.answer(message);
            if let Err(Refusal { errno, why }) = &answer {
                tracing::warn!(command = header.command, %errno, why, "refused");
            }
            if header.wants_no_reply() {
                continue;
            }
            match answer {
                Ok(body) => self.channel.send(&header.reply(), &[&body], &[], deadline)?,
                Err(refusal) => {
                    let errno = refusal.errno.raw_os_error().unsigned_abs();
                    self.channel.send(&header.error(errno), &[], &[], deadline)?;
                }
            }
        }
    }

    fn answer(&mut self, message: Message) -> Answer {
        let Message { header, body, fds } = message;
        let function = &mut *self.function;
        let fd = fds.into_iter().next();
        if !self.greeted && header.command != Header::VERSION {
            return Err(Refusal::new(Errno::INVAL, "the version comes first"));
        }
        match header.command {
            Header::VERSION => {
                let (minor, _) = version::read(&body).map_err(|why| Refusal::new(Errno::INVAL, why))?;
                self.greeted = true;
                Ok(version::answer(minor))
            }
            Header::DMA_MAP => {
                let (map, _) = DmaMap::take(&body).ok_or_else(short)?;
                self.dma.map(function, &map, fd)?;
                Ok(Vec::new())
            }
            Header::DMA_UNMAP => {
                let (unmap, _) = DmaUnmap::take(&body).ok_or_else(short)?;
                let size = self.dma.unmap(function, &unmap)?;
                Ok(DmaUnmap { size, ..unmap }.bytes())
            }
            Header::DEVICE_GET_INFO => {
                let flags = DeviceInfo::PCI | if self.resets { DeviceInfo::RESET } else { 0 };
                let argsz = DeviceInfo::SIZE as u32;
                Ok(DeviceInfo { argsz, flags, regions: RegionInfo::COUNT, irqs: IrqInfo::COUNT }.bytes())
            }
            Header::DEVICE_GET_REGION_INFO => {
                let (asked, _) = RegionInfo::take(&body).ok_or_else(short)?;
                if asked.index >= RegionInfo::COUNT {
                    return Err(Refusal::new(Errno::INVAL, format!("there is no region {}", asked.index)));
                }
                let size = self.region(asked.index)?.map_or(0, |(_, size)| size);
                let flags = if size == 0 { 0 } else { RegionInfo::READ | RegionInfo::WRITE };
                let argsz = RegionInfo::SIZE as u32;
                Ok(RegionInfo { argsz, flags, index: asked.index, size, ..RegionInfo::default() }.bytes())
            }
            Header::DEVICE_GET_IRQ_INFO => {
                let (asked, _) = IrqInfo::take(&body).ok_or_else(short)?;
                if asked.index >= IrqInfo::COUNT {
                    return Err(Refusal::new(Errno::INVAL, format!("there is no interrupt index {}", asked.index)));
                }
                Ok(irq::info(function, asked.index)?.bytes())
            }
            Header::DEVICE_SET_IRQS => {
                let (set, _) = SetIrqs::take(&body).ok_or_else(short)?;
                self.interrupts.set(function, &set, fd)?;
                Ok(Vec::new())
            }
            Header::REGION_READ => {
                let (access, _) = RegionAccess::take(&body).ok_or_else(short)?;
                let space = self.access(&access)?;
                let mut answer = access.bytes();
                let start = answer.len();
                answer.resize(start + access.count as usize, 0);
                regions::read(&mut *self.function, space, access.offset, &mut answer[start..])?;
                Ok(answer)
            }
            Header::REGION_WRITE => {
                let (access, data) = RegionAccess::take(&body).ok_or_else(short)?;
                let space = self.access(&access)?;
                if data.len() != access.count as usize {
                    return Err(short());
                }
                regions::write(&mut *self.function, space, access.offset, data)?;
                Ok(access.bytes())
            }
            Header::DEVICE_RESET if self.resets => {
                function.reset()?;
                Ok(Vec::new())
            }
            other => Err(Refusal::new(Errno::NOTSUP, format!("command {other} is not served"))),
        }
    }

    /// What region `index` is, and its bytes; `None` for one that is not there.
    fn region(&mut self, index: u32) -> Result<Option<(Space, u64)>, Refusal> {
        match index {
            RegionInfo::CONFIG => Ok(Some((Space::Config, self.config_size))),
            0..=5 => match self.function.bar(index as u8) {
                Ok(info) => Ok(Some((Space::Bar(index as u8), info.size))),
                Err(BusError::NoSuchBar(_)) => Ok(None),
                Err(error) => Err(error.into()),
            },
            _ => Ok(None),
        }
    }

    /// The region of an access that fits into it.
    fn access(&mut self, access: &RegionAccess) -> Result<Space, Refusal> {
        let RegionAccess { offset, region, count } = *access;
        let Some((space, size)) = self.region(region)? else {
            return Err(Refusal::new(Errno::INVAL, format!("there is no region {region}")));
        };
        let fits = offset.checked_add(count.into()).is_some_and(|end| end <= size);
        if !fits || count as usize > MAX_DATA {
            let what = format!("{count} bytes at {offset:#x} of region {region}, which has {size:#x}");
            return Err(Refusal::new(Errno::INVAL, what));
        }
        Ok(space)
    }
}

fn short() -> Refusal {
    Refusal::new(Errno::INVAL, "the message is too short for its command")
}
