//! What is no network card under the unit: QEMU's sound card, whose file is heard here; an adapter on USB, a model in the guest; QEMU's
//! mouse, which its monitor moves.

use std::fs;

use super::{LIMIT, put, what_is_tested};
use crate::{
    ear,
    guest::{Guest, Kernel, error::Doing, input, judged::Judged, sound, workspace},
};

/// Where the sound card is, and the rate of what it plays.
const SLOT: u8 = 8;
const RATE: u32 = 44_100;
/// What is to be heard of the tone at least, seconds: it plays before the kill and after it.
const LEAST: usize = 1;
/// The devices.
const ROWS: usize = 3;

/// Boots, runs, judges, and prints what was done.
pub(super) fn run(kernel: Kernel, counted: bool) -> Judged {
    let files = what_is_tested()?;
    let folder = workspace().join("target/guest");
    fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
    let output = folder.join("systemd-devices.wav");
    let sockets = tempfile::tempdir().doing(|| "make a folder for a socket".to_owned())?;
    let monitor = sockets.path().join("monitor");
    let guest = Guest::new("systemd-devices").systemd().kernel(kernel).vfio().alsa().memory(1024).timeout(LIMIT).echo();
    let guest = sound::qemus(guest, ("ES1370", SLOT), &output, RATE);
    let guest = input::with_hand(input::with_monitor(guest, &monitor), &monitor);
    let modules = ["tun", "snd-aloop", "snd-ens1370", "vhci-hcd", "pegasus", "serio_raw", "uinput", "psmouse", "evdev"];
    let guest = modules.into_iter().fold(guest, Guest::module);
    let script = concat!(
        include_str!("common.sh"),
        include_str!("../hand.sh"),
        include_str!("../events.sh"),
        include_str!("devices.sh")
    );
    let outcome = files.into_iter().fold(guest, put).script(script).counted(counted).run()?;
    let mut wrong = outcome.wrong();
    let rows = fs::read_to_string(outcome.results.join("rows")).unwrap_or_default();
    for row in rows.lines() {
        let [device, bus, what] = [0, 1, 2].map(|column| row.split('|').nth(column).unwrap_or_default());
        println!("{device:<18}{bus:<8}{what}");
    }
    if rows.lines().count() != ROWS {
        wrong.push(format!("{} of {ROWS} devices have come to their end", rows.lines().count()));
    }
    match ear::read(&output).map(|frames| ear::listen(&frames)) {
        Ok(heard) => {
            // how QEMU's card keeps pace with a clock that counts instructions is not judged: only that no sample is another
            let (silences, longest) = (heard.gaps.len(), heard.longest_gap());
            println!(
                "heard outside: {} samples, {} wrong, {silences} silences of at most {longest}",
                heard.samples, heard.wrong
            );
            println!("the guest ran {:.0} s", outcome.seconds);
            if heard.wrong > 0 || heard.samples < LEAST * RATE as usize {
                wrong.push(format!("the tone: {heard:?}"));
            }
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}
