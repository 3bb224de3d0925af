//! Nonsense, as a driver that has gone wild writes it: the chip goes on, stays in its memory, and can be set up again.

use model_ens1371::{Nothing, Samples, Variant, regs};
use regs::{src, status};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, Channel, Dac1, IOVA, STEREO_16, noise};

/// Numbers without order, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let value = (self.0 >> 33) as u32;
        value ^ value << 16
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.roll() % bound
    }
}

#[test]
fn wild_accesses_break_nothing() {
    for (seed, variant) in [(1, Variant::Es1371), (2, Variant::Es1373), (3, Variant::Ct5880)] {
        let mut dice = Dice(seed);
        let mut b = Bench::with(variant);
        b.enable_line();
        for _ in 0..60_000 {
            let width = [Width::U8, Width::U16, Width::U32][dice.below(3) as usize];
            let at = (dice.below(regs::SIZE) as u8) & !(width.bytes() as u8 - 1);
            match dice.below(9) {
                0 => drop(b.card.bar_read(0, at.into(), width)),
                1 => {
                    b.handle.advance_clock(dice.below(200).into());
                }
                // addresses that are there, rates that are some
                2 => b.set_frame(Channel::ALL[dice.below(3) as usize], IOVA + dice.below(0x5_0000), 1 + dice.below(64)),
                3 => {
                    b.w32(regs::SRC, src::address(dice.roll() as u8) | src::RAM_WE | dice.roll() & 0xffff);
                }
                // periods that end
                4 => b.w32(Channel::ALL[dice.below(3) as usize].count(), dice.below(30)),
                5 => b.handle.misbehave(|m| {
                    m.counter_stuck = dice.below(8) == 0;
                    m.codec_busy = dice.below(8) == 0;
                    m.src_busy = dice.below(8) == 0;
                    m.position_jump = (dice.below(8) == 0).then(|| dice.roll() as u16);
                }),
                _ => b.write(at, width, dice.roll()),
            }
        }
        let counters = b.handle.counters();
        assert!(
            counters.dma_read_bytes > 0 && counters.dma_write_bytes > 0 && counters.master_aborts > 0,
            "{counters:?}"
        );
        assert!(counters.periods > 0 && counters.codec_writes > 0 && counters.codec_lost > 0, "{counters:?}");
    }
}

/// A channel whose format, rate and period change while it plays.
#[test]
fn changes_under_way_are_heard_and_break_nothing() {
    let mut dice = Dice(7);
    let mut b = Bench::ready(Samples::new(noise(100_000)));
    b.fill_frames(Dac1, &noise(64));
    for channel in Channel::ALL {
        b.start(channel, STEREO_16, 64, 10);
    }
    for _ in 0..5000 {
        let channel = Channel::ALL[dice.below(3) as usize];
        match dice.below(4) {
            0 => b.change(regs::SERIAL, 3 << channel.mode(), dice.below(4) << channel.mode()),
            1 => {
                let (n, frequency) = (1 + dice.below(31) as u16, 1 + dice.below(20 << 15));
                b.set_frequency(channel, n, frequency);
            }
            2 => b.w32(channel.count(), dice.below(20)),
            _ => b.change(regs::SERIAL, channel.stop_mode(), if dice.below(4) == 0 { channel.stop_mode() } else { 0 }),
        }
        let samples = u64::from(dice.below(50));
        assert_eq!(b.pass(samples).len() as u64, samples);
        for channel in Channel::ALL {
            assert!(b.position(channel) < 64, "{channel:?} is in its buffer");
        }
    }
    // and then it is as good as new
    for channel in Channel::ALL {
        b.stop(channel);
        b.set_frequency(channel, 16, 16 << 15);
    }
    b.w32(regs::SERIAL, 0);
    assert_eq!(b.r32(regs::STATUS) & status::CAUSES, 0);
    b.fill_frames(Dac1, &noise(64));
    b.start(Dac1, STEREO_16, 64, 64);
    assert_eq!(b.pass(64), noise(64));
    assert_eq!(b.handle.counters().master_aborts, 0);
}

/// A current count behind the end of the buffer, as a driver that shortens a buffer under way leaves it.
#[test]
fn a_position_behind_the_end_goes_to_the_beginning() {
    for channel in Channel::DACS {
        let mut b = Bench::ready(Nothing);
        let frames = noise(16);
        b.fill_frames(channel, &frames);
        b.start(channel, STEREO_16, 16, 16);
        b.pass(10);
        let size = if channel == Dac1 { regs::DAC1_SIZE } else { regs::DAC2_SIZE };
        b.w32(regs::MEM_PAGE, regs::PAGE_DAC.into());
        b.w32(size, 12 << 16 | 3);
        assert_eq!(b.pass(3), [&frames[12..13], &frames[..2]].concat());
        assert_eq!(b.position(channel), 2);
    }
}
