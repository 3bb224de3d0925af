//! The chip: its state, the samples that go through it, its interrupt line.
//!
//! What the registers do is in `access`; engines, converter, link and codec have files of their own.

use std::time::Instant;

use model_card::dma::Dma;
use model_card::{Chip, Costs, Parts, Variants};
use udrv_bus::Width;

use crate::Frame;
use crate::adc::{Adc, Record};
use crate::clock::SampleClock;
use crate::codec::Codec;
use crate::config::{Config, Variant};
use crate::converter::{Converter, Rate};
use crate::counts::Counts;
use crate::dac::{Dac, Play};
use crate::engine::Format;
use crate::jacks::Jacks;
use crate::link::Link;
use crate::misbehave::Switches;
use crate::mixer::saturate;
use crate::pci;
use crate::regs::{control, serial, src, status};

/// Samples at 48 kHz that are done at once.
const BLOCK: usize = 256;

/// With nothing due the clock looks after so many samples, 4 ms: memory is read when its sample is due, more or less.
const LOOK: u64 = 192;

/// The bits of a playing channel in the registers, and its words in the converter's RAM.
struct Channel {
    enable: u32,
    cause: u32,
    pause: u32,
    interrupt: u32,
    stop_mode: u32,
    mode: u32,
    frozen: u32,
    rate: u8,
    volume: u8,
}

/// DAC1 and DAC2.
const CHANNELS: [Channel; 2] = [
    Channel {
        enable: control::DAC1_EN,
        cause: status::DAC1,
        pause: serial::P1_PAUSE,
        interrupt: serial::P1_INT_EN,
        stop_mode: serial::P1_LOOP_SEL,
        mode: serial::P1_MODE,
        frozen: src::DIS_P1,
        rate: src::DAC1,
        volume: src::VOL_DAC1,
    },
    Channel {
        enable: control::DAC2_EN,
        cause: status::DAC2,
        pause: serial::P2_PAUSE,
        interrupt: serial::P2_INT_EN,
        stop_mode: serial::P2_LOOP_SEL,
        mode: serial::P2_MODE,
        frozen: src::DIS_P2,
        rate: src::DAC2,
        volume: src::VOL_DAC2,
    },
];

/// The two enables of the DACs.
const DACS: u32 = control::DAC1_EN | control::DAC2_EN;

/// The chip on its card. Everything in it is reached through the bus, the jacks and the bench.
pub struct Ens1371 {
    pub(crate) config: Config,
    pub(crate) parts: Parts<Switches, Counts>,
    jacks: Jacks,
    clock: SampleClock,

    control: u32,
    /// What of STATUS can be written.
    status: u32,
    causes: u32,
    pub(crate) page: u8,
    /// Memory that is nothing else, page by page.
    pub(crate) memory: [[u32; 4]; 16],
    pub(crate) converter: Converter,
    pub(crate) link: Link,
    pub(crate) codec: Codec,
    pub(crate) legacy: u32,
    pub(crate) channel_status: u32,
    serial: u32,
    pub(crate) dacs: [Dac; 2],
    pub(crate) adc: Adc,
}

impl Ens1371 {
    fn power_on(config: Config, jacks: Jacks) -> Self {
        let costs = Costs { read: config.read_cost, write: config.write_cost };
        Self {
            parts: Parts::new(pci::configuration(config.variant), Dma::default(), costs),
            clock: SampleClock::new(config.clock),
            jacks,
            config,
            control: 0,
            status: 0,
            causes: 0,
            page: 0,
            memory: [[0; 4]; 16],
            converter: Converter::new(),
            link: Link::default(),
            codec: Codec::new(),
            legacy: 0,
            channel_status: 0,
            serial: 0,
            dacs: Default::default(),
            adc: Adc::default(),
        }
    }

    /// A register of the codec, as a driver would read it, by a back door.
    #[must_use]
    pub fn codec_register(&self, register: u8) -> u16 {
        self.codec.read(register, self.parts.trouble.on.codec_not_ready)
    }

    /// Writes one, by the same door.
    pub fn set_codec_register(&mut self, register: u8, value: u16) {
        self.codec.write(register, value);
    }

    pub(crate) const fn control(&self) -> u32 {
        self.control
    }

    /// What is switched on begins at its first sample.
    pub(crate) fn write_control(&mut self, value: u32) {
        let value = value & control::WRITABLE;
        let before = std::mem::replace(&mut self.control, value);
        let on = value & !before;
        for (dac, channel) in self.dacs.iter_mut().zip(&CHANNELS) {
            if on & channel.enable != 0 {
                dac.start();
            }
        }
        if on & control::ADC_EN != 0 {
            self.adc.start();
        }
        if value & control::SYNC_RES != 0 {
            self.codec.warm_reset();
        }
        if before & DACS != 0 && value & DACS == 0 {
            self.jacks.output().rest();
        }
        if before & DACS == 0 && value & DACS != 0 {
            self.jacks.output().wake();
        }
        if before & (DACS | control::ADC_EN) == 0 {
            self.clock.rest(Instant::now());
        }
    }

    /// STATUS as it can be read.
    pub(crate) fn read_status(&self) -> u32 {
        let causes = self.causes();
        let intr = if causes & status::CAUSES != 0 { status::INTR } else { 0 };
        self.status | causes | intr
    }

    fn causes(&self) -> u32 {
        self.causes | self.parts.trouble.on.status_stuck
    }

    /// Whether the codec is held in reset.
    pub(crate) const fn codec_in_reset(&self) -> bool {
        self.config.variant.has_spdif() && self.status & status::AC97_RST == 0
    }

    pub(crate) fn write_status(&mut self, value: u32) {
        if self.config.variant.has_spdif() {
            self.status = value & status::WRITABLE_SPDIF;
        }
        if self.codec_in_reset() {
            self.codec = Codec::new();
        }
    }

    pub(crate) const fn serial(&self) -> u32 {
        self.serial
    }

    /// A cause whose interrupt is not enabled is none.
    pub(crate) fn write_serial(&mut self, value: u32) {
        self.serial = value & serial::WRITABLE & !serial::P1_SCT_RLD;
        if value & serial::P1_SCT_RLD != 0 {
            self.dacs[0].engine.reload();
        }
        for channel in &CHANNELS {
            if value & channel.interrupt == 0 {
                self.causes &= !channel.cause;
            }
        }
        if value & serial::R1_INT_EN == 0 {
            self.causes &= !status::ADC;
        }
    }

    fn play(&self, channel: &Channel) -> Play {
        Play {
            on: self.control & channel.enable != 0
                && self.serial & channel.pause == 0
                && self.converter.runs(src::DISABLE),
            frozen: !self.converter.runs(channel.frozen),
            rate: self.converter.dac_rate(channel.rate),
            format: Format::new(self.serial, channel.mode),
            stop_mode: self.serial & channel.stop_mode != 0,
            // DAC1 has no such bit
            holds: channel.enable == control::DAC2_EN && self.serial & serial::P2_DAC_SEN != 0,
        }
    }

    fn record(&self) -> Record {
        Record {
            on: self.control & control::ADC_EN != 0 && self.converter.runs(src::DISABLE),
            frozen: !self.converter.runs(src::DIS_R1),
            rate: self.converter.adc_rate(),
            format: Format::new(self.serial, serial::R1_MODE),
            stop_mode: self.serial & serial::R1_LOOP_SEL != 0,
            volumes: self.converter.adc_volumes(),
        }
    }

    /// Whether samples move.
    const fn runs(&self) -> bool {
        self.control & (DACS | control::ADC_EN) != 0
    }

    /// So many samples at 48 kHz pass.
    fn advance(&mut self, mut samples: u64) {
        while samples > 0 && self.runs() {
            let now = samples.min(BLOCK as u64);
            self.block(now as usize);
            samples -= now;
        }
    }

    fn block(&mut self, samples: usize) {
        let gains = *self.codec.gains();
        let records = self.control & control::ADC_EN != 0;
        let sounds = self.control & DACS != 0 || gains.monitors();
        let (mut input, mut output) = ([[0; 2]; BLOCK], [[0; 2]; BLOCK]);
        if records || gains.monitors() {
            self.jacks.input().record(&mut input[..samples]);
            self.parts.counters.heard += samples as u64;
        }
        let plays = [0, 1].map(|i| self.play(&CHANNELS[i]));
        let volumes = [0, 1].map(|i| self.converter.dac_volumes(CHANNELS[i].volume));
        let record = self.record();
        for (line, out) in input[..samples].iter().zip(&mut output) {
            let played = [0, 1].map(|i| self.dacs[i].next(&mut self.parts, &plays[i]));
            let mixed = gains.mix(sum(played, volumes), *line);
            *out = gains.output(mixed);
            if records {
                self.adc.take(gains.input(*line, mixed), &mut self.parts, &record);
            }
        }
        if sounds {
            self.jacks.output().play(&output[..samples]);
            self.parts.counters.played += samples as u64;
        }
        self.notice();
    }

    /// Counts what the engines have done, and takes their interrupts up.
    fn notice(&mut self) {
        let [one, two] = &mut self.dacs;
        let counters = &mut self.parts.counters;
        counters.dac1_samples += u64::from(std::mem::take(&mut one.taken));
        counters.dac2_samples += u64::from(std::mem::take(&mut two.taken));
        counters.adc_samples += u64::from(std::mem::take(&mut self.adc.made));
        let [one, two] = [one, two].map(|dac| std::mem::take(&mut dac.periods));
        let over = [
            (one, &CHANNELS[0].interrupt, status::DAC1),
            (two, &CHANNELS[1].interrupt, status::DAC2),
            (std::mem::take(&mut self.adc.periods), &serial::R1_INT_EN, status::ADC),
        ];
        for (periods, interrupt, cause) in over {
            if periods > 0 && self.serial & interrupt != 0 {
                self.causes |= cause;
                counters.periods += u64::from(periods);
            }
        }
    }

    /// Does what is due by the real clock.
    fn catch_up(&mut self) {
        let now = Instant::now();
        if self.runs() {
            let due = self.clock.due(now);
            self.advance(due);
        }
    }

    /// Samples at 48 kHz until a sample counter runs out, no more than [`LOOK`].
    fn until_event(&self) -> u64 {
        let in_time = |left: u32, rate: Option<Rate>, adc: bool| {
            let Some(Rate { step, whole }) = rate else { return LOOK };
            let (up, down) = if adc { (step, whole) } else { (whole, step) };
            (u64::from(left) * u64::from(up)).div_ceil(down.into())
        };
        let dacs = self.dacs.iter().zip(&CHANNELS).filter(|(_, channel)| self.control & channel.enable != 0);
        let dacs = dacs
            .map(|(dac, channel)| in_time(dac.engine.until_interrupt(), self.converter.dac_rate(channel.rate), false));
        let adc = (self.control & control::ADC_EN != 0)
            .then(|| in_time(self.adc.engine.until_interrupt(), self.converter.adc_rate(), true));
        dacs.chain(adc).min().unwrap_or(LOOK).clamp(1, LOOK)
    }
}

/// What the converter gives the link: both channels at their volumes.
fn sum(played: [Frame; 2], volumes: [[i64; 2]; 2]) -> Frame {
    [0, 1].map(|c| {
        let at = |i: usize| (i64::from(played[i][c]) * volumes[i][c]) >> 12;
        saturate(at(0) + at(1))
    })
}

impl Chip for Ens1371 {
    type Config = Config;
    type Port = Jacks;
    type Switches = Switches;
    type Counts = Counts;

    const NAME: &'static str = "ens1371";
    const VARIANTS: Variants<Config> = &[
        ("es1371", || Config::of(Variant::Es1371)),
        ("es1373", || Config::of(Variant::Es1373)),
        ("ct5880", || Config::of(Variant::Ct5880)),
    ];

    fn new(config: Config, jacks: Jacks) -> Self {
        Self::power_on(config, jacks)
    }

    fn parts(&mut self) -> &mut Parts<Switches, Counts> {
        &mut self.parts
    }

    fn read(&mut self, _bar: u8, offset: u32, _width: Width) -> u32 {
        self.read_word(offset as u8 & !3) >> (8 * (offset & 3))
    }

    fn write(&mut self, _bar: u8, offset: u32, width: Width, value: u32) {
        // what is due until now is as it was set until now
        self.catch_up();
        let shift = 8 * (offset & 3);
        self.write_word(offset as u8 & !3, value << shift, width.all_ones() << shift);
    }

    fn wants_interrupt(&mut self) -> bool {
        self.catch_up();
        self.causes() & status::CAUSES != 0
    }

    const CLOCK: bool = true;

    fn wakes_at(&self) -> Option<Instant> {
        self.runs().then(|| self.clock.after(self.until_event()))?
    }

    fn resume(&mut self) {}

    /// Samples at 48 kHz.
    fn advance_clock(&mut self, ticks: u64) {
        self.advance(ticks);
    }
}
