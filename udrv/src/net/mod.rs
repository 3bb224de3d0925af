//! The net class: a network driver between its device and an endpoint.
//!
//! ```text
//!   endpoint --recv--> buffer --transmit--> [driver] --doorbell on commit--> device
//!   endpoint <--send on commit-- [driver] <--poll-- ring <-- device
//! ```
//!
//! `traffic.rs` and `transmit.rs` move frames, and `deliver.rs` with `merge.rs` those that go up; `features.rs` finds out what the
//! options ask of the chip, `settings.rs` follows what the administrator changes at the interface; `control.rs` makes calls by
//! command and tells the status; `checkpoint.rs` is what is moved into another process, `legacy.rs` is what a successor needs; `class.rs` is what of that a device that runs (`crate::run`) calls; this file starts.

mod checkpoint;
mod class;
mod control;
mod deliver;
mod features;
mod legacy;
mod merge;
mod offload;
mod settings;
mod traffic;
mod transmit;

use std::marker::PhantomData;
use std::time::Duration;

use udrv_driver::{Entry, Features, Link, MacAddress, NetDriver, Offloads, RxMode, Settings};

pub use checkpoint::{Multicast, NetSettings, OffloadSettings};
pub use control::{ChipCounters, NetStatus, Traffic};
pub use features::{FeatureError, Switch};
pub use legacy::endpoint_of;

use self::features::Asked;
use self::merge::Merger;
use self::transmit::Outbound;
use crate::device::Opened;
use crate::endpoint::NetEndpoint;
use crate::host::Host;
use crate::keep::{Left, NotAdopted};
use crate::ledger::Ledger;
use crate::run::{DeviceError, Heir, Options, Refused, Running};

/// How a network device is run.
#[derive(Debug, Clone)]
pub struct NetOptions {
    /// Address to use instead of the chip's own.
    pub mac: Option<MacAddress>,
    /// MTU of the interface, bytes. `None`: what it has already, else 1500.
    pub mtu: Option<u32>,
    /// The VLAN that the interface is in without seeing its tags. `None`: tags are the host's affair.
    pub vlan: Option<u16>,
    /// Time between interrupts, at least; zero: none. `None`: as the driver has it.
    pub interrupt_interval: Option<Duration>,
    /// What is to be left to the chip, or not; of what is said of one the last counts. The rest: what the chip can.
    pub offloads: Vec<(Switch, bool)>,
    /// A frame that the device has had for this long is not going to be sent: `tx_timeout` is called.
    pub tx_timeout: Duration,
}

impl Default for NetOptions {
    fn default() -> Self {
        NetOptions {
            mac: None,
            mtu: None,
            vlan: None,
            interrupt_interval: None,
            offloads: Vec::new(),
            tx_timeout: Duration::from_secs(5),
        }
    }
}

/// A network device that runs.
pub type NetDevice<D> = Running<Net<D>>;

/// What only the net class knows of a device.
pub struct Net<D: NetDriver> {
    endpoint: Box<dyn NetEndpoint>,
    permanent_mac: MacAddress,
    recorded: Recorded,
    /// What is left to the chip.
    offloads: Offloads,
    /// The interface's.
    mtu: u32,
    link: Link,
    outbound: Outbound,
    /// Puts received frames together.
    merger: Merger,
    /// Since when, by the device's clock, frames are with the device without one coming back.
    sending_since: Option<Duration>,
    /// A poll that could have gone on was broken off.
    more: bool,
    traffic: Traffic,
    tx_timeout: Duration,
    /// Bytes; `None`: longer than a frame.
    longest_packet: Option<u32>,
    /// What the chip that was found can be set to.
    features: Features,
    driver: PhantomData<D>,
}

/// What the driver was told, last.
#[derive(Debug, Clone, Copy)]
struct Recorded {
    /// Station address.
    mac: MacAddress,
    /// What is received.
    rx_mode: RxMode,
    /// What the chip is set to.
    settings: Settings,
    /// Between `open` and `stop`.
    open: bool,
}

impl<D: NetDriver> Heir<Net<D>> {
    /// Has its memory at hand: there is time for that before it is needed.
    pub fn touch(&self) {
        self.touch_all();
    }

    /// Goes on with the device, whose process has died or has let go.
    ///
    /// # Errors
    /// Why it cannot be; `refused` says what happens to the device then.
    pub fn go_on(self, opened: Opened, refused: Refused) -> Result<NetDevice<D>, NotAdopted> {
        self.go_on_as(opened, refused, Net::inherit)
    }
}

impl<D: NetDriver> NetDevice<D> {
    /// Takes the device into operation behind `endpoint`. On error it is as quiet as it was found.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn start(
        opened: impl Into<Opened>,
        endpoint: Box<dyn NetEndpoint>,
        options: Options,
    ) -> Result<Self, DeviceError> {
        Running::new(opened, options, |name, options| {
            let asked = Asked::new::<D>(D::FEATURES, &options.net, &*endpoint, name)?;
            Ok(Net {
                endpoint,
                permanent_mac: MacAddress::default(),
                recorded: Recorded {
                    mac: MacAddress::default(),
                    rx_mode: RxMode { promiscuous: false, multicast: u64::MAX },
                    settings: asked.settings,
                    open: false,
                },
                offloads: asked.offloads,
                mtu: asked.mtu,
                link: Link::default(),
                outbound: Outbound::new(),
                merger: Merger::new(),
                sending_since: None,
                more: false,
                traffic: Traffic::default(),
                tx_timeout: options.net.tx_timeout,
                longest_packet: asked.longest_packet(),
                features: D::FEATURES,
                driver: PhantomData,
            })
        })
    }

    /// Goes on with a device whose process has died. `opened` is made of the bus's descriptors that it left, with its memory
    /// mapped.
    ///
    /// # Errors
    /// Why it cannot be: then it reaches no memory any more, and is to be started anew.
    pub fn adopt(opened: Opened, left: Left, options: Options) -> Result<Self, NotAdopted> {
        Self::prepare(left, options)?.go_on(opened, Refused::Stopped)
    }

    /// Maps what is needed to go on with a device, whose process may still run.
    ///
    /// # Errors
    /// It is of another driver, or of another version of its state.
    pub fn prepare(left: Left, options: Options) -> Result<Heir<Net<D>>, NotAdopted> {
        Heir::prepare(left, options)
    }

    /// Probe, interrupts, bus mastering, address, open: in this order.
    fn set_up(&mut self) -> Result<(), DeviceError> {
        let valid = |mac: &MacAddress, _: &Host, _: &Ledger| mac.is_station() || *mac == MacAddress::default();
        self.class.permanent_mac = self.entry_checked(Entry::Probe, |cx| D::probe(cx), valid)?;
        self.ask_of_this_chip()?;
        self.connect()?;
        let mac = self.options.net.mac.unwrap_or(self.class.permanent_mac);
        if !mac.is_station() {
            return Err(DeviceError::NoAddress { device: self.name.clone() });
        }
        self.class.recorded.mac = mac;
        self.entry(Entry::SetMac, move |cx| D::set_mac(cx, mac))?;
        let mode = self.class.recorded.rx_mode;
        self.entry(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode))?;
        self.configure(self.class.recorded.settings)?;
        self.class.recorded.open = true;
        self.entry(Entry::Open, |cx| D::open(cx))?;
        self.class.endpoint.set_mac(mac.0)?;
        self.class.endpoint.set_mtu(self.class.mtu)?;
        self.class.endpoint.set_offloads(self.class.offloads)?;
        self.update_link()?;
        tracing::info!(device = %self.name, driver = D::NAME, mac = %mac, endpoint = %self.class.endpoint.name(), "running");
        Ok(())
    }

    /// The chip that `probe` has found may have less than the best of its family.
    fn ask_of_this_chip(&mut self) -> Result<(), DeviceError> {
        let features = self.class.features;
        if features != D::FEATURES {
            let asked = Asked::new::<D>(features, &self.options.net, &*self.class.endpoint, &self.name)?;
            (self.class.recorded.settings, self.class.mtu) = (asked.settings, asked.mtu);
        }
        Ok(())
    }

    /// The station address in force.
    #[must_use]
    pub fn mac(&self) -> MacAddress {
        self.class.recorded.mac
    }
}
