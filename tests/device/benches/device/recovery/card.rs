//! The sound card, which plays.

use ens1371::Ens1371;
use model_ens1371::Config;
use udrv::run::{Options, Running};
use udrv::sound::Sound;
use udrv_driver::Entry;

use super::{Bus, Rig, Spent};
use crate::sound;

pub(super) struct Card(sound::Card);

impl Rig for Card {
    type Class = Sound<Ens1371>;
    const NAME: &'static str = "ens1371";
    const DATA: &'static [Entry] = &[Entry::Pointer, Entry::Interrupt];

    fn new(options: Options, bus: Bus) -> Card {
        let bare = || Config { codec_polls: 0, ..Config::default() };
        Card(sound::Card::of(if bus == Bus::Bare { bare() } else { sound::timed() }, options))
    }

    fn device(&mut self) -> &mut Running<Self::Class> {
        self.0.device()
    }

    fn work(&mut self, entry: Entry) {
        self.0.work(entry);
    }

    fn operation(&mut self) {
        self.0.period();
    }

    fn spent(&self) -> Spent {
        let counters = self.0.counters();
        let slow = counters.chip.codec_reads + counters.chip.codec_writes;
        Spent { reads: counters.register_reads, writes: counters.register_writes, slow }
    }

    fn settle(&mut self) {
        self.0.forget_what_was_touched();
    }
}
