//! A udrvd that is killed in the middle of its work, at each access to its card in turn, and a successor that goes on: no
//! frame is lost either way, and the card is not reset.
//!
//! The card is a model in this process, which udrvd drives over vfio-user; so the card itself says when udrvd dies. What
//! udrvd hands to its service manager is kept by [`udrv_keeper::Keeper`].

mod card;
pub(crate) mod refused;
pub(crate) mod stand;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{PATIENCE, wait_until};
use stand::Stand;

/// Dies at each of `deaths` accesses, seen or not.
fn dies_everywhere(model: &str, deaths: u64) {
    let mut stand = Stand::new(model);
    stand.start();
    stand.wait_until_kept();
    (0..4).for_each(|_| stand.exchange());
    stand.all_have_come();
    let names = stand.keeper.names();
    let resets = stand.death.resets.load(SeqCst);
    for death in 0..deaths {
        stand.death.in_(death / 2, death % 2 == 0);
        let start = Instant::now();
        while !stand.has_died() {
            // never more than the card has room for: what overflows is lost, as on any wire
            if stand.sent as usize - stand.at_station.len().min(stand.at_host.len()) < 8 {
                stand.exchange();
            }
            stand.take();
            assert!(start.elapsed() < PATIENCE, "it does not die: {}", stand.log());
        }
        // what comes meanwhile waits in the ring and at the host
        (0..4).for_each(|_| stand.exchange());
        stand.log.lock().unwrap().clear();
        stand.start();
        stand.all_have_come();
        stand.goes_on(death);
        // when this has come too, nobody counts it among those that have ended over what was left
        stand.exchange();
        stand.all_have_come();
    }
    assert_eq!(stand.keeper.names(), names, "nothing was handed out a second time");
    assert_eq!(stand.death.resets.load(SeqCst), resets, "and nobody has reset the card");
    assert_eq!(stand.death.opened.load(SeqCst), 1, "nor opened it again");
    let twice = stand.at_station.values().chain(stand.at_host.values()).filter(|count| **count > 1).count();
    println!("{model}: {deaths} deaths, {} frames each way, {twice} of them twice", stand.sent);
    assert!(twice == 0, "a frame was sent twice");
    // the end: nothing is left to go on with
    let child = stand.child.as_mut().expect("a child");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it lives");
    wait_until("it ends", || stand.has_died());
    assert_eq!(stand.keeper.names(), Vec::<String>::new(), "{}", stand.log());
}

#[test]
fn an_e1000_goes_on_wherever_udrvd_dies() {
    dies_everywhere("e1000", 120);
}

#[test]
fn an_rtl8139_goes_on_wherever_udrvd_dies() {
    dies_everywhere("rtl8139", 120);
}

#[test]
fn an_r8169_goes_on_wherever_udrvd_dies() {
    dies_everywhere("r8169", 120);
}

/// A successor dies at each access with which it takes up what was left, and another takes up what that one has left.
fn dies_while_it_takes_up(model: &str) {
    let mut stand = Stand::new(model);
    stand.start();
    stand.wait_until_kept();
    let resets = stand.death.resets.load(SeqCst);
    for death in 0.. {
        stand.exchange();
        stand.all_have_come();
        stand.kill();
        (0..4).for_each(|_| stand.exchange());
        stand.death.in_(death / 2, death % 2 == 0);
        stand.start();
        let mut went_on = false;
        wait_until("it dies, or goes on", || {
            went_on = stand.log().contains("going on where");
            went_on || stand.has_died()
        });
        stand.death.spare();
        if went_on {
            println!("{model}: {} accesses", death / 2);
            assert!(death > 20, "it looks at nothing");
            break;
        }
        stand.log.lock().unwrap().clear();
        stand.start();
        stand.goes_on(death);
        stand.all_have_come();
    }
    stand.kill();
    stand.start();
    stand.goes_on("the last");
    stand.exchange();
    stand.all_have_come();
    assert_eq!(stand.death.resets.load(SeqCst), resets, "nobody has reset the card");
    let twice = stand.at_station.values().chain(stand.at_host.values()).filter(|count| **count > 1).count();
    assert!(twice == 0, "a frame was sent twice");
}

#[test]
fn an_e1000_goes_on_wherever_its_successor_dies() {
    dies_while_it_takes_up("e1000");
}

#[test]
fn an_rtl8139_goes_on_wherever_its_successor_dies() {
    dies_while_it_takes_up("rtl8139");
}
