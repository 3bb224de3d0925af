//! What the administrator changes at the interface reaches the chip, and what the chip cannot do is put back.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use model_rtl8139::{Config, Rtl8139Model};
use model_wire::{Station, Wire, WireConfig};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rtl8139::Rtl8139;
use udrv::endpoint::{EndpointError, NetEndpoint, Received, Sent, SocketEndpoint, Wanted};
use udrv::net::{Answer, Command, NetDevice, Options, Status, commands};
use udrv_driver::{Entry, InjectedFault, Injection, MacAddress, Point};
use udrv_tests::frames::CARD;
use udrv_tests::rig::{Rig, patient, quick, turn};
use udrv_tests::traffic::Traffic;
use udrv_tests::{subject, wait_until};

/// An interface whose administrator is the test.
struct Administered {
    inner: SocketEndpoint,
    alarm: Arc<EventFd>,
    asked: Arc<Mutex<Wanted>>,
}

impl NetEndpoint for Administered {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        self.inner.recv(to)
    }
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        self.inner.send(frame)
    }
    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.asked.lock().unwrap().mac = mac;
        Ok(())
    }
    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.asked.lock().unwrap().mtu = mtu;
        Ok(())
    }
    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.inner.set_carrier(on)
    }
    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.inner.set_up(up)
    }
    fn changes(&self) -> Option<BorrowedFd<'_>> {
        Some(self.alarm.as_fd())
    }
    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        Ok(self.alarm.read().is_ok().then(|| *self.asked.lock().unwrap()))
    }
}

#[test]
fn address_receive_mode_and_mtu_follow_the_interface() {
    let _turn = turn();
    let (_wire, near, far) = Wire::new(WireConfig::default());
    let station = Station::new(far);
    let (card, _bench) = Rtl8139Model::new(Config::default(), near);
    let (inner, host) = SocketEndpoint::pair().unwrap();
    let mut host = SocketEndpoint::from_fd(host).unwrap();
    let alarm = Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).unwrap());
    let asked = Arc::new(Mutex::new(Wanted { mac: [0; 6], mtu: 1500, promiscuous: false }));
    let endpoint = Administered { inner, alarm: alarm.clone(), asked: asked.clone() };
    fgft::init().unwrap();
    let device = NetDevice::<Rtl8139>::start(Box::new(card), Box::new(endpoint), patient(quick())).unwrap();
    let (commander, inbox) = commands().unwrap();
    let thread = std::thread::spawn(move || device.run(&inbox));
    let status = || -> Box<Status> {
        match commander.ask(Command::Status) {
            Some(Answer::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    };
    let ask = |change: &dyn Fn(&mut Wanted)| {
        change(&mut asked.lock().unwrap());
        alarm.write(1).unwrap();
    };
    let to = |mac: [u8; 6]| {
        let mut frame = mac.to_vec();
        frame.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
        frame.resize(60, mac[5]);
        frame
    };
    let mut buffer = [0; 2000];
    // whether the chip takes a frame for this address: one that it takes in any case is sent behind it
    let mut takes = |mac: [u8; 6]| {
        station.inject(&to(mac));
        station.inject(&to([0xff; 6]));
        let mut seen = Vec::new();
        wait_until("a broadcast comes up", || {
            if let Received::Frame(_) = host.recv(&mut buffer).unwrap() {
                seen.push(buffer[5]);
            }
            seen.last() == Some(&0xff)
        });
        seen.len() == 2
    };
    const FIRST: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
    const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
    const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
    assert!(takes(FIRST) && !takes(SECOND));

    ask(&|wanted| wanted.mac = SECOND);
    wait_until("the device has the address", || status().mac == "02:00:00:00:00:77");
    assert!(takes(SECOND) && !takes(FIRST) && !takes(OTHER));

    ask(&|wanted| wanted.promiscuous = true);
    wait_until("it takes everything", || takes(OTHER));
    ask(&|wanted| wanted.promiscuous = false);
    wait_until("it takes its own again", || !takes(OTHER));

    // nobody's address: the chip refuses it, and the interface gets back what it had
    ask(&|wanted| wanted.mac = [0x03, 0, 0, 0, 0, 1]);
    wait_until("the address is put back", || asked.lock().unwrap().mac == SECOND);
    assert_eq!(status().mac, "02:00:00:00:00:77");
    // and what was changed beside it is followed all the same
    ask(&|wanted| (wanted.mac, wanted.promiscuous) = ([0x03, 0, 0, 0, 0, 1], true));
    wait_until("it takes everything again", || takes(OTHER));
    ask(&|wanted| wanted.promiscuous = false);
    wait_until("it takes its own once more", || !takes(OTHER));

    ask(&|wanted| wanted.mtu = 9000);
    wait_until("the MTU is put back", || asked.lock().unwrap().mtu == 1500);
    ask(&|wanted| wanted.mtu = 600);
    assert!(takes(SECOND));
    assert_eq!(asked.lock().unwrap().mtu, 600, "a smaller one is the host's affair");

    // a fault in between changes nothing of it, nor does a restart
    let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
    assert!(matches!(commander.ask(Command::Inject { entry: Entry::SetMac, injection, times: 1 }), Some(Answer::Done)));
    ask(&|wanted| wanted.mac = OTHER);
    wait_until("the device has the next address", || status().mac == "02:00:00:00:00:99");
    assert_eq!(status().faults, 1);
    assert!(matches!(commander.ask(Command::Restart), Some(Answer::Done)));
    assert!(takes(OTHER) && !takes(SECOND));

    assert!(matches!(commander.ask(Command::Stop), Some(Answer::Done)));
    thread.join().unwrap().unwrap();
}

/// The chip takes what its EEPROM has; the driver says that it is none, and the class what helps.
#[test]
fn a_card_whose_eeprom_is_empty_needs_an_address_from_the_administrator() {
    for mac in [[0xff; 6], [0; 6]] {
        let config = || Config { mac, ..Config::default() };
        let error = Rig::<subject::Rtl8139>::start(quick(), config(), |_| {}).err().expect("no address").to_string();
        assert!(error.contains("has no station address") && error.contains("--mac"), "{error}");
        let options = Options { mac: Some(MacAddress(CARD)), ..quick() };
        let rig = Rig::<subject::Rtl8139>::start(options, config(), |_| {}).expect("it has one now");
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "with the administrator's address");
        rig.call(Entry::Restore).expect("works");
        traffic.flows(&rig, "after a restore");
        rig.stop().0.expect("stops");
    }
}
