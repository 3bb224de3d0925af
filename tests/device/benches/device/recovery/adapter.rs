//! The network adapter on USB: each access is a control transfer.

use std::time::Duration;

use model_pegasus::Config;
use pegasus::Pegasus;
use udrv::net::Net;
use udrv::run::{Options, Running};
use udrv_driver::Entry;

use super::{Bus, Rig, Spent};
use crate::usb;

pub(super) struct Adapter(usb::Adapter);

impl Rig for Adapter {
    type Class = Net<Pegasus>;
    const NAME: &'static str = "pegasus";
    const DATA: &'static [Entry] = &[Entry::Transmit, Entry::Interrupt, Entry::Poll];

    fn new(options: Options, bus: Bus) -> Adapter {
        let usual = Config::default();
        let control_cost = if bus == Bus::Bare { Duration::ZERO } else { usual.control_cost };
        Adapter(usb::Adapter::of(Config { control_cost, ..usual }, options))
    }

    fn device(&mut self) -> &mut Running<Self::Class> {
        self.0.device()
    }

    fn work(&mut self, entry: Entry) {
        self.0.work(entry);
    }

    fn operation(&mut self) {
        self.0.down_many(1);
    }

    fn spent(&self) -> Spent {
        let counters = self.0.counters();
        Spent { reads: counters.control_reads, writes: counters.control_writes, ..Spent::default() }
    }
}
