//! The interface's MTU reaches the chip, and what the chip does not have is set back with one line in the log.

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Directory, tap_name, told, wait_until};

#[test]
fn the_mtu_of_the_interface_is_followed_or_set_back() {
    for (letter, model, most) in [('m', "model:e1000", 16_110), ('n', "model:rtl8139", 1500)] {
        let (directory, name) = (Directory::new(), tap_name(letter));
        let file = format!("/sys/class/net/{name}/mtu");
        let mtu = || std::fs::read_to_string(&file).expect("an interface").trim().parse::<u32>().expect("a number");
        let set = |mtu: u32| std::fs::write(&file, mtu.to_string()).expect("an interface that can be changed");
        let Some(mut daemon) = Daemon::behind_tap(&directory, &name, &[model]) else { return };
        assert_eq!(mtu(), 1500);
        for good in [most, 1400, most] {
            set(good);
            wait_until("it is followed", || told(&directory, &["status"]).contains(&format!("MTU {good}")));
        }
        set(most + 1);
        wait_until("it is set back", || mtu() == most);
        let line = format!("MTU {} is not possible here", most + 1);
        wait_until("the log says so", || daemon.log().contains(&line));
        assert!(told(&directory, &["restart"]).is_empty());
        assert!(told(&directory, &["status"]).contains(&format!("MTU {most}")));
        assert_eq!((mtu(), daemon.log().matches("is not possible").count()), (most, 1), "{}", daemon.log());
        assert!(daemon.log().contains(&format!("68 to {most}")));
        daemon.end(Signal::SIGTERM);
        drop(daemon);

        // from the start
        let most = most.to_string();
        let Some(mut daemon) = Daemon::behind_tap(&directory, &name, &[model, "--mtu", &most]) else { return };
        assert_eq!(mtu().to_string(), most);
        daemon.end(Signal::SIGTERM);
    }
}
