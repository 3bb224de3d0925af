//! What a network device leaves to a successor, and how that one takes it up.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::{Acquire, Release};

use serde::{Deserialize, Serialize};
use udrv_driver::{Link, MacAddress, Micros, NetDriver, Offloads, RxMode, Settings};

use super::merge::Merger;
use super::transmit::{Outbound, Waiting};
use super::{Net, NetDevice, Recorded, Traffic};
use crate::buffers::Buffers;
use crate::endpoint::{self, HostCounts, Legacy};
use crate::keep::{Facts, Left, NotAdopted};
use crate::ledger::BUFFERS;
use crate::run::Options;

/// What the class knows and cannot ask anybody. The state has the rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    endpoint: Legacy,
    permanent_mac: [u8; 6],
    mac: [u8; 6],
    promiscuous: bool,
    multicast: u64,
    settings_mtu: u32,
    vlan: u16,
    /// Microseconds.
    interrupt_interval: u64,
    tx_checksum: bool,
    segment_ipv4: bool,
    segment_ipv6: bool,
    rx_checksum: bool,
    mtu: u32,
    longest_packet: Option<u32>,
}

/// The other end of a network device that cannot be gone on with.
#[must_use]
pub fn endpoint_of(facts: &Facts) -> Option<Legacy> {
    serde_json::from_value::<Told>(facts.class.clone()).ok().map(|told| told.endpoint)
}

impl<D: NetDriver> Net<D> {
    /// For the record. `None`: the endpoint ends with this process.
    pub(super) fn to_value(&self) -> Option<serde_json::Value> {
        let Recorded { mac, rx_mode, settings, .. } = self.recorded;
        let Offloads { tx_checksum, segment_ipv4, segment_ipv6, rx_checksum } = self.offloads;
        let told = Told {
            endpoint: self.endpoint.legacy()?,
            permanent_mac: self.permanent_mac.0,
            mac: mac.0,
            promiscuous: rx_mode.promiscuous,
            multicast: rx_mode.multicast,
            settings_mtu: settings.mtu,
            vlan: settings.vlan,
            interrupt_interval: settings.interrupt_interval.0,
            tx_checksum,
            segment_ipv4,
            segment_ipv6,
            rx_checksum,
            mtu: self.mtu,
            longest_packet: self.longest_packet,
        };
        serde_json::to_value(told).ok()
    }

    /// What a predecessor has recorded.
    pub(super) fn inherit(left: &Left, options: &Options) -> Result<Net<D>, NotAdopted> {
        let told: Told = serde_json::from_value(left.facts.class.clone())
            .map_err(|_| NotAdopted::Nonsense("what is known of the device is not of a network device"))?;
        let settings =
            Settings { mtu: told.settings_mtu, vlan: told.vlan, interrupt_interval: Micros(told.interrupt_interval) };
        if D::FEATURES.allow(settings).is_err() {
            return Err(NotAdopted::Nonsense("it was set to what the chip does not have"));
        }
        let fd = left.endpoint.try_clone().map_err(NotAdopted::Descriptors)?;
        Ok(Net {
            endpoint: endpoint::adopt(fd, &told.endpoint)?,
            permanent_mac: MacAddress(told.permanent_mac),
            recorded: Recorded {
                mac: MacAddress(told.mac),
                rx_mode: RxMode { promiscuous: told.promiscuous, multicast: told.multicast },
                settings,
                open: true,
            },
            offloads: Offloads {
                tx_checksum: told.tx_checksum,
                segment_ipv4: told.segment_ipv4,
                segment_ipv6: told.segment_ipv6,
                rx_checksum: told.rx_checksum,
            },
            mtu: told.mtu,
            link: Link::default(),
            outbound: Outbound::new(),
            merger: Merger::new(),
            sending_since: None,
            more: false,
            traffic: Traffic::default(),
            tx_timeout: options.net.tx_timeout,
            longest_packet: told.longest_packet,
            features: D::FEATURES,
            driver: PhantomData,
        })
    }
}

impl<D: NetDriver> NetDevice<D> {
    /// What has gone between host and endpoint until now is settled.
    pub(super) fn count_from_here(&self) {
        self.host.kept.count_from(self.class.endpoint.counts());
    }

    /// What was going up when the process died has gone up if the host has taken more than was noted.
    fn settle_going_up(&self, counts: Option<HostCounts>) {
        let kept = &self.host.kept;
        if counts.is_some_and(|counts| kept.took_more(counts)) {
            kept.gone_up.store(kept.gone_up.load(Acquire) | kept.going_up.load(Acquire), Release);
        }
        kept.going_up.store(0, Release);
    }

    /// The frame that was being read when the process died: it is in its buffer if the host has given one more than was
    /// noted, and how long it is the host tells too. Otherwise it waits in the endpoint, or was put into the queue.
    fn settle_reading(&mut self, counts: Option<HostCounts>) {
        let unknown = counts.and_then(|counts| self.host.kept.unknown_read(counts));
        if let Some((buffer, bytes)) = unknown
            && let Some(buffer) = self.host.buffers.take_this(buffer)
        {
            let room = self.host.pool.buffer_bytes() as usize;
            let length = usize::try_from(bytes).unwrap_or(usize::MAX);
            let (received, asked) = self.class.endpoint.recall(length, room, &self.host.kept.header);
            self.frame_came(buffer, received, asked);
        }
        self.host.kept.end_read();
    }

    /// The frames that the device and the queue have. Those that the last call has taken are in both: it had no time to
    /// take them out.
    pub(super) fn take_up_frames(&mut self) -> Result<(), NotAdopted> {
        let counts = self.class.endpoint.counts();
        self.settle_going_up(counts);
        self.host.set_longest_frame(self.class.recorded.settings.longest_frame());
        let kept = &self.host.kept;
        let waiting = kept.waiting.entries().ok_or(NotAdopted::Nonsense("more frames wait than there is room for"))?;
        let two_places = NotAdopted::Nonsense("a packet buffer is in two places");
        let lent = Buffers::adopt(&self.domain.ledger().buffers, std::iter::empty()).ok_or(two_places)?;
        let waiting: Option<Vec<Waiting>> = waiting.into_iter().map(Waiting::from_words).collect();
        let waiting = waiting.ok_or(NotAdopted::Nonsense("a frame that waits was spoilt"))?;
        let mut still = waiting.into_iter().peekable();
        while still.next_if(|waiting| usize::from(waiting.buffer) < BUFFERS && lent.is_lent(waiting.buffer)).is_some() {
            kept.waiting.pop();
        }
        for waiting in still {
            if !(14..=self.host.pool.buffer_bytes()).contains(&waiting.length) {
                return Err(NotAdopted::Nonsense("a frame waits that is longer than its buffer"));
            }
            self.class.outbound.push(waiting);
        }
        let buffers = Buffers::adopt(&self.domain.ledger().buffers, self.class.outbound.buffers());
        self.host.buffers = buffers.ok_or(NotAdopted::Nonsense("a packet buffer is in two places"))?;
        self.settle_reading(counts);
        self.count_from_here();
        self.class.sending_since = (self.host.buffers.lent() > 0).then(|| self.clock());
        Ok(())
    }
}
