//! What the command line says of a network device.

use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use udrv::endpoint::{NetEndpoint, SocketEndpoint, Tap, Tun};
use udrv::net::{NetOptions, Switch};
use udrv_driver::MacAddress;

/// The interface that a device has when nothing is said.
const TAP: &str = "udrv%d";

/// Options of network devices.
#[derive(clap::Args)]
#[command(next_help_heading = "Network cards")]
pub(crate) struct NetArguments {
    /// Name of the TAP interface, udrv%d by default; %d is replaced by a number.
    #[arg(long, value_name = "NAME")]
    tap: Option<String>,
    /// A TUN interface of this name instead: IP packets, all of which go to the one station that --neighbour names. ARP
    /// and IPv6's solicitations are answered for the addresses that the interface has.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tap", "endpoint"], requires = "neighbour")]
    tun: Option<String>,
    /// With --tun: the Ethernet address of who is at the other end of the cable, or of the router there.
    #[arg(long, value_name = "ADDRESS", value_parser = station, requires = "tun", conflicts_with_all = ["tap", "endpoint"])]
    neighbour: Option<MacAddress>,
    /// What stands in for the network interface: a TAP interface by default.
    #[arg(long, value_enum)]
    endpoint: Option<EndpointKind>,
    /// Station address instead of the card's own.
    #[arg(long, value_name = "ADDRESS", value_parser = station)]
    mac: Option<MacAddress>,
    /// MTU of the interface, in bytes; above 1500 where the chip has it. It can be changed later: ip link set mtu.
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u32>,
    /// The VLAN that the interface is in, 1 to 4094: the chip puts its tag into what is sent, and takes it out of what is
    /// received; frames of other VLANs, and without a tag, are not received.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    vlan: Option<u16>,
    /// Time that the chip leaves between interrupts, at least; 0: none.
    #[arg(long, value_name = "MICROSECONDS")]
    interrupt_interval: Option<u64>,
    /// What is left to the chip, or not: tx-checksum, rx-checksum and tso, =on or =off, and several with commas. As a
    /// rule what it can.
    #[arg(long, value_name = "WORK=on|off", value_delimiter = ',')]
    offload: Vec<OffloadArgument>,
    /// Leave the other end of a model's wire empty.
    #[arg(long)]
    pub(crate) no_far_host: bool,
}

/// `tso=off`.
#[derive(Clone, Copy)]
struct OffloadArgument(Switch, bool);

impl FromStr for OffloadArgument {
    type Err = String;
    fn from_str(text: &str) -> Result<OffloadArgument, String> {
        let (switch, on) = match text.split_once('=') {
            Some((switch, "on")) => (switch, true),
            Some((switch, "off")) => (switch, false),
            _ => return Err("expected =on or =off, as in tso=off".to_owned()),
        };
        Ok(OffloadArgument(switch.parse()?, on))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EndpointKind {
    /// A TAP interface: a network card of this machine.
    Tap,
    /// An unconnected socket pair: frames go nowhere.
    Socket,
    /// Standard input, which has to be one end of a pair of packet sockets: whoever has the other end sends and receives
    /// whole Ethernet frames. For machines without /dev/net/tun.
    Stdin,
}

/// An address that a station may have.
fn station(text: &str) -> Result<MacAddress, String> {
    let address: MacAddress = text.parse().map_err(|e: udrv_driver::NotAnAddress| e.to_string())?;
    let why = "a group address or zero: a station's first byte is even, as in 52:54:00:12:34:56";
    if address.is_station() { Ok(address) } else { Err(why.to_owned()) }
}

impl NetArguments {
    /// One that was given, for a device that is no network card.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--tap", self.tap.is_some()),
            ("--tun", self.tun.is_some()),
            ("--neighbour", self.neighbour.is_some()),
            ("--endpoint", self.endpoint.is_some()),
            ("--mac", self.mac.is_some()),
            ("--mtu", self.mtu.is_some()),
            ("--vlan", self.vlan.is_some()),
            ("--interrupt-interval", self.interrupt_interval.is_some()),
            ("--offload", !self.offload.is_empty()),
            ("--no-far-host", self.no_far_host),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Those that the framework has.
    pub(crate) fn options(&self) -> NetOptions {
        NetOptions {
            mac: self.mac,
            mtu: self.mtu,
            vlan: self.vlan,
            interrupt_interval: self.interrupt_interval.map(Duration::from_micros),
            offloads: self.offload.iter().map(|OffloadArgument(switch, on)| (*switch, *on)).collect(),
            ..NetOptions::default()
        }
    }

    /// Makes the interface that they ask for.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Box<dyn Error>> {
        if let (Some(name), Some(neighbour)) = (&self.tun, self.neighbour) {
            return Ok((Box::new(Tun::open(name, neighbour.0)?), None));
        }
        Ok(match self.endpoint.unwrap_or(EndpointKind::Tap) {
            EndpointKind::Tap => (Box::new(Tap::open(self.tap.as_deref().unwrap_or(TAP))?), None),
            EndpointKind::Socket => {
                let (endpoint, peer) = SocketEndpoint::pair()?;
                (Box::new(endpoint), Some(peer))
            }
            EndpointKind::Stdin => {
                let socket = io::stdin().as_fd().try_clone_to_owned()?;
                let endpoint = SocketEndpoint::from_fd(socket)
                    .map_err(|e| format!("standard input cannot be the network interface: {e}"))?;
                (Box::new(endpoint), None)
            }
        })
    }
}

/// The network interface, and the other end of a socket that nobody else has.
type Endpoint = (Box<dyn NetEndpoint>, Option<OwnedFd>);
