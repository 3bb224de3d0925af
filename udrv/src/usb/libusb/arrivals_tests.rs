//! A device that comes, on a made-up sysfs; the kernel's messages are the guest's to try.

use std::time::{Duration, Instant};

use super::Arrivals;
use crate::usb::libusb::OpenError;
use crate::usb::libusb::sysfs::tests::Tree;

fn arrivals(tree: &Tree, name: &str) -> Arrivals {
    Arrivals::at(tree.sysfs(), name.parse().unwrap()).unwrap()
}

#[test]
fn a_device_is_here_once_it_is_configured_and_has_its_node() {
    let tree = Tree::new();
    let mut waiting = arrivals(&tree, "usb:1-2");
    assert!(!waiting.is_here().unwrap());
    tree.device("1-2", "07a6:8511", 1, 9);
    assert!(waiting.is_here().unwrap());
    tree.attribute("1-2", "bConfigurationValue", ""); // the kernel is about to
    assert!(!waiting.is_here().unwrap());
    tree.attribute("1-2", "bConfigurationValue", "1");
    tree.remove("dev/bus/usb/001/009");
    assert!(!waiting.is_here().unwrap());
    tree.device("1-2", "07a6:8511", 1, 10); // again, with another address
    assert!(waiting.is_here().unwrap());
    tree.remove("sys/bus/usb/devices/1-2");
    assert!(!waiting.is_here().unwrap());
}

#[test]
fn waiting_ends_when_the_device_comes_though_no_message_does() {
    let tree = Tree::new();
    let mut waiting = arrivals(&tree, "usb:07a6:8511");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| waiting.wait(Instant::now() + Duration::from_secs(60)));
        tree.device("2-1", "07a6:8511", 2, 3);
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn the_deadline_says_what_stands_in_the_way() {
    let tree = Tree::new();
    let soon = || Instant::now() + Duration::from_millis(20);
    let start = Instant::now();
    let error = arrivals(&tree, "usb:1-2").wait(soon()).unwrap_err();
    assert!(matches!(error, OpenError::NotPresent { .. }), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(20));
    tree.device("1-2", "07a6:8511", 1, 9);
    tree.remove("dev/bus/usb/001/009");
    assert!(matches!(arrivals(&tree, "usb:1-2").wait(soon()), Err(OpenError::NoNode { .. })));
    tree.device("1-3", "07a6:8511", 1, 10);
    assert!(matches!(arrivals(&tree, "usb:07a6:8511").wait(soon()), Err(OpenError::Ambiguous { .. })));
    tree.remove("sys/bus/usb");
    let mut nowhere = arrivals(&tree, "usb:1-2");
    assert!(!nowhere.is_here().unwrap(), "no USB yet is no device yet");
    assert!(matches!(nowhere.wait(soon()), Err(OpenError::NoUsb { .. })));
}
