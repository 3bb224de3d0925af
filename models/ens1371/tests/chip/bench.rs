//! A card on a test bench: memory at a bus address, a tape at the output, samples at the input, a line for interrupts.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use model_ens1371::codec::reg;
use model_ens1371::regs::{self, codec, control, serial, src};
use model_ens1371::testing::TestMemory;
use model_ens1371::{
    Clock, Config, Ens1371Handle, Ens1371Model, Frame, Jacks, Nothing, Samples, Source, Tape, Variant,
};
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};

/// Bus address and size of the memory.
pub(crate) const IOVA: u32 = 0x10_0000;
pub(crate) const MEMORY: usize = 0x4_0000;
/// Buffers of DAC1, DAC2 and the ADC, as offsets in the memory.
pub(crate) const BUFFERS: [u32; 3] = [0, 0x1_0000, 0x2_0000];
/// A format.
pub(crate) const STEREO_16: u32 = serial::BITS_16 | serial::STEREO;

/// One of the three channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Dac1,
    Dac2,
    Adc,
}
pub(crate) use Channel::{Adc, Dac1, Dac2};

impl Channel {
    pub(crate) const ALL: [Channel; 3] = [Dac1, Dac2, Adc];
    pub(crate) const DACS: [Channel; 2] = [Dac1, Dac2];

    pub(crate) fn buffer(self) -> u32 {
        BUFFERS[self as usize]
    }
    pub(crate) fn enable(self) -> u32 {
        [control::DAC1_EN, control::DAC2_EN, control::ADC_EN][self as usize]
    }
    pub(crate) fn interrupt(self) -> u32 {
        [serial::P1_INT_EN, serial::P2_INT_EN, serial::R1_INT_EN][self as usize]
    }
    pub(crate) fn mode(self) -> u32 {
        [serial::P1_MODE, serial::P2_MODE, serial::R1_MODE][self as usize]
    }
    pub(crate) fn stop_mode(self) -> u32 {
        [serial::P1_LOOP_SEL, serial::P2_LOOP_SEL, serial::R1_LOOP_SEL][self as usize]
    }
    pub(crate) fn cause(self) -> u32 {
        [regs::status::DAC1, regs::status::DAC2, regs::status::ADC][self as usize]
    }
    pub(crate) fn count(self) -> u8 {
        [regs::DAC1_COUNT, regs::DAC2_COUNT, regs::ADC_COUNT][self as usize]
    }
    fn page(self) -> u8 {
        if self == Adc { regs::PAGE_ADC } else { regs::PAGE_DAC }
    }
    fn frame(self) -> u8 {
        [regs::DAC1_FRAME, regs::DAC2_FRAME, regs::ADC_FRAME][self as usize]
    }
    fn size(self) -> u8 {
        [regs::DAC1_SIZE, regs::DAC2_SIZE, regs::ADC_SIZE][self as usize]
    }
    pub(crate) fn words(self) -> u8 {
        [src::DAC1, src::DAC2, src::ADC][self as usize]
    }
    pub(crate) fn volume(self) -> u8 {
        [src::VOL_DAC1, src::VOL_DAC2, src::VOL_ADC][self as usize]
    }
}

pub(crate) struct Bench {
    pub(crate) card: Ens1371Model,
    pub(crate) handle: Ens1371Handle,
    pub(crate) memory: Arc<TestMemory>,
    pub(crate) tape: Tape,
    line: Option<UnixStream>,
}

impl Bench {
    /// A card after power-on, decoding and mastering, with memory.
    pub(crate) fn of(config: Config, input: impl Source + 'static) -> Self {
        let tape = Tape::default();
        let (mut card, handle) = Ens1371Model::new(config, Jacks::new(tape.clone(), input));
        let memory = Arc::new(TestMemory::new(MEMORY));
        card.map_dma(DmaMapping { iova: IOVA.into(), memory: memory.clone() }).unwrap();
        card.config_write(4, Width::U16, 5).unwrap();
        Self { card, handle, memory, tape, line: None }
    }

    pub(crate) fn with(variant: Variant) -> Self {
        Self::of(Config { clock: Clock::Manual, ..Config::of(variant) }, Nothing)
    }

    pub(crate) fn new() -> Self {
        Self::with(Variant::Es1371)
    }

    /// One that is set up as a driver does: all rates 48 kHz, all volumes 0 dB, nothing muted, line in selected.
    pub(crate) fn ready(input: impl Source + 'static) -> Self {
        Self::ready_of(Config { clock: Clock::Manual, ..Config::default() }, input)
    }

    pub(crate) fn ready_of(config: Config, input: impl Source + 'static) -> Self {
        let mut bench = Self::of(config, input);
        for channel in Channel::ALL {
            bench.set_frequency(channel, 16, 16 << 15);
            for side in 0..2 {
                bench.src_write(channel.volume() + side, 4096);
            }
        }
        bench.codec_write(reg::MASTER, 0x0000);
        bench.codec_write(reg::PCM, 0x0808);
        bench.codec_write(reg::RECORD_SELECT, 0x0404);
        bench.codec_write(reg::RECORD_GAIN, 0x0000);
        bench
    }

    /// The same with these samples at its input.
    pub(crate) fn hearing(samples: &[Frame]) -> Self {
        Self::ready(Samples::new(samples.to_vec()))
    }

    pub(crate) fn read(&mut self, at: u8, width: Width) -> u32 {
        self.card.bar_read(0, at.into(), width).unwrap()
    }

    pub(crate) fn write(&mut self, at: u8, width: Width, value: u32) {
        self.card.bar_write(0, at.into(), width, value).unwrap();
    }

    pub(crate) fn r32(&mut self, at: u8) -> u32 {
        self.read(at, Width::U32)
    }

    pub(crate) fn w32(&mut self, at: u8, value: u32) {
        self.write(at, Width::U32, value);
    }

    /// Sets bits of a register and clears others.
    pub(crate) fn change(&mut self, at: u8, clear: u32, set: u32) {
        let value = self.r32(at) & !clear | set;
        self.w32(at, value);
    }

    /// Waits for the converter as long as a driver may; what SRC shows then.
    pub(crate) fn wait_src(&mut self) -> u32 {
        let shown = (0..100).map(|_| self.r32(regs::SRC)).find(|value| value & src::RAM_BUSY == 0);
        shown.expect("the converter is busy for ever")
    }

    pub(crate) fn src_write(&mut self, at: u8, value: u16) {
        let controls = self.wait_src() & src::CONTROLS;
        self.w32(regs::SRC, controls | src::address(at) | src::RAM_WE | u32::from(value));
    }

    pub(crate) fn src_read(&mut self, at: u8) -> u16 {
        let controls = self.wait_src() & src::CONTROLS;
        self.w32(regs::SRC, controls | src::address(at));
        self.wait_src() as u16
    }

    fn wait_codec(&mut self) -> u32 {
        let shown = (0..100).map(|_| self.r32(regs::CODEC)).find(|value| value & codec::WIP == 0);
        shown.expect("the codec is busy for ever")
    }

    pub(crate) fn codec_write(&mut self, register: u8, value: u16) {
        self.wait_codec();
        self.w32(regs::CODEC, codec::write(register, value));
    }

    pub(crate) fn codec_read(&mut self, register: u8) -> u16 {
        self.wait_codec();
        self.w32(regs::CODEC, codec::read(register));
        let value = self.wait_codec();
        assert_ne!(value & codec::RDY, 0);
        value as u16
    }

    /// The words of a channel: N, and the frequency with 15 bits behind the point.
    pub(crate) fn set_frequency(&mut self, channel: Channel, n: u16, frequency: u32) {
        self.src_write(channel.words() + src::TRUNC_N, n << 4);
        self.src_write(channel.words() + src::INT_REGS, ((frequency >> 15) << 10) as u16);
        self.src_write(channel.words() + src::VFREQ_FRAC, (frequency & 0x7fff) as u16);
    }

    /// The frame registers, as offset in the memory and double words.
    pub(crate) fn set_buffer(&mut self, channel: Channel, at: u32, words: u32) {
        self.set_frame(channel, IOVA + at, words);
    }

    pub(crate) fn set_frame(&mut self, channel: Channel, address: u32, words: u32) {
        self.w32(regs::MEM_PAGE, channel.page().into());
        self.w32(channel.frame(), address);
        self.w32(channel.size(), words - 1);
    }

    /// Double words transferred.
    pub(crate) fn position(&mut self, channel: Channel) -> u32 {
        self.w32(regs::MEM_PAGE, channel.page().into());
        self.r32(channel.size()) >> 16
    }

    /// Starts a channel on a buffer of its own of so many double words, with a period of so many samples.
    pub(crate) fn start(&mut self, channel: Channel, format: u32, words: u32, period: u32) {
        self.set_buffer(channel, channel.buffer(), words);
        self.w32(channel.count(), period - 1);
        self.change(regs::SERIAL, 3 << channel.mode(), channel.interrupt() | format << channel.mode());
        self.change(regs::CONTROL, 0, channel.enable());
    }

    pub(crate) fn stop(&mut self, channel: Channel) {
        self.change(regs::CONTROL, channel.enable(), 0);
    }

    /// Puts bytes into the buffer of a channel.
    pub(crate) fn fill(&self, channel: Channel, bytes: &[u8]) {
        self.memory.write(channel.buffer().into(), bytes).unwrap();
    }

    pub(crate) fn fill_frames(&self, channel: Channel, frames: &[Frame]) {
        self.fill(channel, &bytes(frames));
    }

    pub(crate) fn recorded(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read(Adc.buffer().into(), &mut bytes).unwrap();
        bytes
    }

    /// Samples at 48 kHz pass; what was played in them.
    pub(crate) fn pass(&mut self, samples: u64) -> Vec<Frame> {
        self.handle.advance_clock(samples);
        self.tape.take()
    }

    /// Has the line signalled through a socket, whose bytes are counted in eights.
    pub(crate) fn enable_line(&mut self) {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        self.card.enable_intx(near.as_fd()).unwrap();
        self.line = Some(far);
    }

    /// Signals of the line since the last look.
    pub(crate) fn signals(&mut self) -> usize {
        let mut bytes = [0; 4096];
        match self.line.as_mut().expect("the line is enabled").read(&mut bytes) {
            Ok(count) => count / 8,
            Err(_) => 0,
        }
    }
}

/// As 16 bit stereo lies in memory.
pub(crate) fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Samples that are all over the range, each unlike its neighbours and left unlike right.
pub(crate) fn noise(count: usize) -> Vec<Frame> {
    let sample = |i: u32, salt: u32| ((i ^ salt).wrapping_mul(0x9e37_79b1) >> 13) as i16;
    (0..count as u32).map(|i| [sample(i, 0), sample(i, 0x5555)]).collect()
}
