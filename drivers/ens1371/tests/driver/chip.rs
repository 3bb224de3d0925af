//! A small chip: as much of an ES1370 or ES1371 with its codec as a driver can see go wrong. Its streams go on when they are told to
//! ([`Chip::play`]).

use udrv_driver::Identity;
use udrv_driver_tests::{BUS, Bus};

use crate::converter::Converter;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    /// A codec access does not end.
    pub(crate) codec_hangs: bool,
    /// What was read of the codec does not come.
    pub(crate) codec_is_silent: bool,
    /// Some of the codec's parts do not come up.
    pub(crate) codec_is_lame: bool,
    /// STATUS has causes though no interrupt is pending.
    pub(crate) has_no_intr: bool,
}

/// A stream as the chip has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) frame: u32,
    /// Words of the ring, less one.
    pub(crate) size: u32,
    /// Where it is in it.
    pub(crate) at: u32,
    /// Frames of a period, less one.
    pub(crate) count: u32,
    /// And how many are left.
    pub(crate) left: u32,
}

pub(crate) const EN: [u32; 3] = [0x40, 0x20, 0x10];
const INT_EN: [u32; 3] = [0x100, 0x200, 0x400];
const PAUSE: [u32; 3] = [0x800, 0x1000, 0];
const CAUSE: [u32; 3] = [4, 2, 1];

pub(crate) struct Chip {
    pub(crate) identity: Identity,
    pub(crate) control: u32,
    pub(crate) serial: u32,
    pub(crate) channels: [Channel; 3],
    /// Interrupts that are pending.
    pub(crate) causes: u32,
    pub(crate) converter: Converter,
    /// Registers of the codec: of the AK4531, or of an AC'97 codec by half their address.
    pub(crate) codec: [u16; 64],
    /// Reads for which the codec is busy.
    codec_busy: u32,
    /// What CODEC reads as when it is not.
    answer: u32,
    /// The codec is out of the reset that the chip holds it in.
    released: bool,
    /// Its link has been woken.
    woken: bool,
    /// What was written to PHANTOM_FRAME.
    pub(crate) phantom: u32,
    /// How often each stream was stopped that ran.
    pub(crate) stops: [u32; 3],
    pub(crate) trouble: Trouble,
    pub(crate) bus: Bus,
}

/// What of a chip must be as it was when a call was abandoned: everything but where its streams are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    control: u32,
    serial: u32,
    channels: [Channel; 3],
    codec: [u16; 64],
    converter: Vec<u16>,
    stands: bool,
    phantom: u32,
}

impl Snapshot {
    /// Whatever a channel holds that nobody uses.
    pub(crate) fn forget_channel(&mut self, stream: usize) {
        let Channel { frame, .. } = self.channels[stream];
        self.channels[stream] = Channel { frame, ..Channel::default() };
    }
}

impl Chip {
    pub(crate) fn of(product: u16, revision: u8) -> Chip {
        let mut chip = Chip {
            identity: Identity { vendor: 0x1274, product, revision },
            // whatever someone before us has left
            control: if product == 0x5000 { 1 } else { 0x70 },
            serial: 0x700,
            channels: [Channel::default(); 3],
            causes: 7,
            converter: Converter::default(),
            codec: [0x8000; 64],
            codec_busy: 0,
            answer: 0,
            released: false,
            woken: false,
            phantom: 0,
            stops: [0; 3],
            trouble: Trouble::default(),
            bus: Bus::default(),
        };
        // a previous owner's streams run over memory that is not ours: there is none
        chip.channels[0].size = 100;
        chip
    }

    pub(crate) fn is_es1370(&self) -> bool {
        self.identity.product == 0x5000
    }

    /// Those whose codec STATUS lets out of its reset.
    fn holds_codec(&self) -> bool {
        let Identity { product, revision, .. } = self.identity;
        product == 0x5880 || product == 0x1371 && [7, 8].contains(&revision)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            control: self.control,
            serial: self.serial,
            channels: self.channels.map(|channel| Channel { at: 0, left: 0, ..channel }),
            codec: self.codec,
            converter: self.converter.told(),
            stands: self.converter.stands(),
            phantom: self.phantom,
        }
    }

    pub(crate) fn is_enabled(&self, stream: usize) -> bool {
        self.control & EN[stream] != 0
    }

    pub(crate) fn runs(&self, stream: usize) -> bool {
        self.is_enabled(stream) && self.serial & PAUSE[stream] == 0
    }

    /// Bytes of a frame of the stream, as the chip has it.
    pub(crate) fn frame_bytes(&self, stream: usize) -> u32 {
        1 << (self.serial >> (2 * stream) & 1) << (self.serial >> (2 * stream + 1) & 1)
    }

    /// So many words of the stream go by, if it runs.
    pub(crate) fn play(&mut self, stream: usize, words: u32) {
        if !self.runs(stream) {
            return;
        }
        let frames = 4 / self.frame_bytes(stream);
        let interrupts = self.serial & INT_EN[stream] != 0;
        let channel = &mut self.channels[stream];
        for _ in 0..words {
            channel.at = if channel.at >= channel.size { 0 } else { channel.at + 1 };
            for _ in 0..frames {
                if channel.left == 0 {
                    channel.left = channel.count;
                    if interrupts {
                        self.causes |= CAUSE[stream];
                    }
                } else {
                    channel.left -= 1;
                }
            }
        }
    }

    fn set_control(&mut self, value: u32) {
        for stream in 0..3 {
            let (was, is) = (self.is_enabled(stream), value & EN[stream] != 0);
            self.stops[stream] += u32::from(was && !is);
            if is && !was {
                let channel = self.channels[stream];
                let piece = (channel.frame / BUS) as usize;
                assert!(piece >= 1 && channel.frame.is_multiple_of(BUS), "stream {stream} starts without a ring");
                assert!(
                    (channel.size + 1) * 4 <= self.bus.dma[piece - 1].len() as u32,
                    "stream {stream} runs behind it"
                );
                assert!(self.serial & INT_EN[stream] != 0, "stream {stream} starts without interrupts");
                assert!(self.is_es1370() || !self.converter.stands(), "stream {stream} starts without a clock");
                self.channels[stream].left = channel.count;
            }
        }
        if !self.is_es1370() {
            assert_eq!(value & 0xffff_bf8f, 0, "bits that nobody has asked for");
            self.woken |= value & 0x4000 != 0;
        } else {
            let others = value & !(0x1fff_0000 | 0x3000 | 0x72);
            assert_eq!(others, 0, "bits that nobody has asked for");
        }
        self.control = value;
    }

    fn set_serial(&mut self, value: u32) {
        assert_eq!(value & !(0x38_0000 | 0x1f00 | 0x3f), 0, "bits that nobody has asked for");
        for stream in 0..3 {
            if value & INT_EN[stream] == 0 {
                self.causes &= !CAUSE[stream];
            }
            let mode = 3 << (2 * stream);
            assert!(!self.is_enabled(stream) || (value ^ self.serial) & mode == 0, "{stream} changes while it runs");
        }
        if value & 0x200 != 0 {
            assert_eq!(value >> 19 & 7, 1 << (value >> 3 & 1), "DAC2 goes on by its samples");
        }
        self.serial = value;
    }

    /// Stream and register of one that is behind pages or counts.
    fn channel(offset: u16) -> Option<(usize, bool)> {
        Some(match offset {
            0xc30 => (0, true),
            0xc34 => (0, false),
            0xc38 => (1, true),
            0xc3c => (1, false),
            0xd30 => (2, true),
            0xd34 => (2, false),
            _ => return None,
        })
    }

    pub(crate) fn read(&mut self, offset: u16) -> u32 {
        if let Some((stream, is_frame)) = Chip::channel(offset) {
            let channel = self.channels[stream];
            return if is_frame { channel.frame } else { channel.at << 16 | channel.size };
        }
        match offset {
            // what comes in at the pins, on those that have some
            0x00 => self.control | if self.is_es1370() { 0 } else { 0xf0_0000 },
            0x04 => {
                let pending = if self.causes != 0 && !self.trouble.has_no_intr { 1 << 31 } else { 0 };
                let busy = if self.is_es1370() && self.codec_is_busy() { 0x700 } else { 0 };
                pending | self.causes | busy
            }
            0x10 => self.converter.read(),
            0x14 => {
                assert!(!self.is_es1370(), "it has no such register");
                if self.codec_is_busy() { 0x4000_0000 } else { self.answer }
            }
            0x20 => self.serial | 0xff80_0000,
            0x24 | 0x28 | 0x2c => {
                let channel = self.channels[usize::from(offset - 0x24) / 4];
                channel.left << 16 | channel.count
            }
            _ => panic!("a read of {offset:#x}"),
        }
    }

    fn codec_is_busy(&mut self) -> bool {
        if self.trouble.codec_hangs {
            return true;
        }
        self.codec_busy = self.codec_busy.saturating_sub(1);
        self.codec_busy > 0
    }

    pub(crate) fn write(&mut self, offset: u16, value: u32) {
        if let Some((stream, is_frame)) = Chip::channel(offset) {
            let runs = self.is_enabled(stream);
            let channel = &mut self.channels[stream];
            if is_frame {
                assert!(!runs || channel.frame == value, "stream {stream} gets another ring while it runs");
                channel.frame = value;
            } else {
                assert!(!runs, "stream {stream} is rewound while it runs");
                (channel.size, channel.at) = (value & 0xffff, value >> 16);
            }
            return;
        }
        match offset {
            0x00 | 0xc00 => self.set_control(value),
            0x04 => {
                assert!(self.holds_codec() && value == 1 << 29, "STATUS is written");
                self.released = true;
            }
            0x09 => assert_eq!(value, 0, "the UART is off"),
            0x10 if !self.is_es1370() => self.converter.write(value),
            0xc10 if self.is_es1370() => self.write_ak4531(value),
            0x14 if !self.is_es1370() => self.access_ac97(value),
            0x18 if !self.is_es1370() => assert_eq!(value, 0, "no legacy events"),
            0x20 => self.set_serial(value),
            0x24 | 0x28 | 0x2c => {
                let stream = usize::from(offset - 0x24) / 4;
                assert!(!self.is_enabled(stream), "stream {stream} is rewound while it runs");
                assert!(value <= 0xffff, "the current count is the chip's");
                self.channels[stream].count = value;
            }
            0xd38 if self.is_es1370() => self.phantom = value,
            0xd3c if self.is_es1370() => assert_eq!(value, 0),
            _ => panic!("a write of {value:#x} to {offset:#x}"),
        }
    }

    fn write_ak4531(&mut self, value: u32) {
        assert_eq!(self.control & 2, 2, "the codec's interface is off");
        assert!(self.codec_busy <= 1, "a codec write before the last has ended");
        let (register, value) = ((value >> 8) as usize, value as u16 & 0xff);
        assert!(register < 26, "the AK4531 has no register {register:#x}");
        if register == 0x16 && value & 1 == 0 {
            self.codec = [0x80; 64];
        }
        self.codec[register] = value;
        self.codec_busy = 3;
    }

    fn access_ac97(&mut self, value: u32) {
        assert!(self.woken && (self.released || !self.holds_codec()), "a codec that sleeps");
        assert!(self.converter.is_safe(), "the codec is accessed when the converter is at it");
        assert!(self.codec_busy <= 1, "a codec access before the last has ended");
        let register = (value >> 16 & 0x7f) as usize;
        assert!(register.is_multiple_of(2));
        self.codec_busy = 3;
        if value & 1 << 23 == 0 {
            match register {
                0x00 => {
                    self.codec = [0; 64];
                    self.codec[1] = 0x8000;
                }
                // the low half is status
                0x26 => self.codec[0x13] = value as u16 & 0xff00,
                _ => self.codec[register / 2] = value as u16,
            }
            return;
        }
        let data = match register {
            0x26 => self.codec[0x13] | if self.trouble.codec_is_lame { 0xd } else { 0xf },
            0x7c => 0x4352,
            0x7e => 0x5914,
            _ => self.codec[register / 2],
        };
        let ready = if self.trouble.codec_is_silent { 0 } else { 1 << 31 };
        self.answer = ready | value & 0x7f_0000 | u32::from(data);
    }
}
