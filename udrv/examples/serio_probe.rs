//! Takes a serio port from the kernel and tries all of it on the mouse at its end; exits with 0 if all of it held.
//!
//! ```text
//! cargo run --example serio_probe -- serio:serio1 [SECONDS]
//! ```
//!
//! As root. Is refused what must be refused, takes the port from psmouse, resets the mouse, has it tell what it is, sets it and reads
//! that back, shows what it sends while it is moved for so many seconds, has the port taken away in the middle, and gives it back.

use std::error::Error;
use std::fs;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{Uid, seteuid};
use udrv::device::{Device, Opened};
use udrv::serio::raw::{OpenOptions, RawSerioPort, SerioName, SerioSysfs};
use udrv_bus::{BusError, SerioPort, Width};
use udrv_driver::Bus;
use udrv_driver::serio::{COMMAND, DATA, RESPONSE, SerioCommand, SerioRegister, command, data};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const RATE: u64 = 0x20;
const RESOLUTION: u64 = 0x24;
const SCALING: u64 = 0x28;
const REPORTS: u64 = 0x2c;
const STATUS: u64 = 0x30;
const ID: u64 = 0x34;
/// IBM PS/2 technical reference, "Mouse Controller".
const COMMANDS: &[SerioCommand] = &[
    SerioCommand { offset: RATE as u16, is: SerioRegister::Argument(0xf3) },
    SerioCommand { offset: RESOLUTION as u16, is: SerioRegister::Argument(0xe8) },
    SerioCommand { offset: SCALING as u16, is: SerioRegister::Choice(&[0xe6, 0xe7]) },
    SerioCommand { offset: REPORTS as u16, is: SerioRegister::Choice(&[0xf5, 0xf4]) },
    SerioCommand { offset: STATUS as u16, is: SerioRegister::Answer(0xe9, 3) },
    SerioCommand { offset: ID as u16, is: SerioRegister::Answer(0xf2, 1) },
];
const RESET: u32 = 0xff | command::SLOW | 2 << command::RESPONSE_SHIFT;
/// What a mouse sends of itself, at most, between two looks.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprintln!("usage: serio_probe serio:serioN|serio:DESCRIPTION [SECONDS]");
        return ExitCode::from(2);
    };
    let seconds = arguments.next().unwrap_or_else(|| "0".to_owned());
    let outcome = seconds.parse().map_err(Into::into).and_then(|seconds| probe(&name, Duration::from_secs(seconds)));
    match outcome {
        Ok(()) => {
            println!("serio_probe: all held");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("serio_probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe(name: &str, moved: Duration) -> Outcome {
    let name: SerioName = name.parse()?;
    let sysfs = SerioSysfs::default();
    for port in sysfs.ports()? {
        println!("{port}, driver: {}", port.driver.as_deref().unwrap_or("none"));
    }
    let before = driver(&name)?;
    refusals(&name)?;

    let port = RawSerioPort::open(&name, OpenOptions::default())?;
    let file = format!("/sys/bus/serio/devices/{}/drvctl", port.summary().name);
    println!("{} {}: taken", port.name(), port.id());
    ensure(driver(&name)?.as_deref() == Some("serio_raw"), "serio_raw has it")?;
    let refused = refusal(&name);
    println!("opened twice: {refused}");
    ensure(refused.contains("another process"), "a second open is refused as busy")?;

    let again = name.clone();
    let reopen = move || -> Result<Box<dyn SerioPort>, BusError> {
        Ok(Box::new(RawSerioPort::open(&again, OpenOptions::default())?))
    };
    let opened = Opened::Serio { port: Box::new(port), reopen: Some(Box::new(reopen)) };
    let mut mouse = opened.fit(Bus::Serio { commands: COMMANDS })?;
    set_up(&mut *mouse)?;
    listen(&mut *mouse, moved)?;

    // somebody gives the port to the kernel's driver: it has left as far as we are concerned
    let to = before.as_deref().unwrap_or("none");
    fs::write(&file, to)?;
    let gone = mouse.read(STATUS, Width::U32);
    println!("taken away: {gone:?}");
    ensure(matches!(gone, Err(BusError::Gone { .. })) && !mouse.answers(), "a port that has left is told")?;
    ensure(mouse.comes_back() && mouse.look_for_return()?, "it is taken again")?;
    ensure(driver(&name)?.as_deref() == Some("serio_raw"), "by serio_raw")?;
    println!("taken again: id {}", mouse.read(ID, Width::U32)?);
    set_up(&mut *mouse)?;

    let start = Instant::now();
    drop(mouse);
    println!("given back in {:?}", start.elapsed());
    let now = driver(&name)?;
    println!("driver: {}", now.as_deref().unwrap_or("none"));
    ensure(before.is_none() || now == before, "the kernel's driver has it again")
}

/// What people see who ask for what cannot be.
fn refusals(name: &SerioName) -> Outcome {
    let refused = refusal(&"serio:serio999".parse()?);
    println!("absent: {refused}");
    ensure(refused.contains("there are: "), "those that there are are listed")?;
    if let Some(keyboard) = SerioSysfs::default().ports()?.iter().find(|port| port.is_keyboard()) {
        let refused = refusal(&SerioName::Port(keyboard.name.clone()));
        println!("keyboard: {refused}");
        ensure(refused.contains("keyboard at its end"), "a keyboard is let alone")?;
        ensure(driver(&SerioName::Port(keyboard.name.clone()))? == keyboard.driver, "and stays with its driver")?;
    }
    seteuid(Uid::from_raw(65534))?;
    let refused = refusal(name);
    seteuid(Uid::from_raw(0))?;
    println!("as nobody: {refused}");
    ensure(refused.contains("no permission to take") && refused.contains("echo -n serio_raw"), "permission is told")
}

fn set_up(mouse: &mut dyn Device) -> Outcome {
    let start = Instant::now();
    mouse.write(COMMAND.offset().into(), Width::U32, RESET)?;
    let answer = mouse.read(RESPONSE.offset().into(), Width::U32)?;
    println!("reset: {answer:#06x} in {:?}", start.elapsed());
    ensure(answer == 0x00aa, "it passes its self test and is a mouse")?;
    let mut ids = vec![mouse.read(ID, Width::U32)?];
    for rates in [[200, 100, 80], [200, 200, 80]] {
        let start = Instant::now();
        for rate in rates {
            mouse.write(RATE, Width::U32, rate)?;
        }
        ids.push(mouse.read(ID, Width::U32)?);
        println!("knock {rates:?}: id {} in {:?}", ids[ids.len() - 1], start.elapsed());
    }
    ensure([0, 3, 4].starts_with(&ids[..1]) && ids.is_sorted(), "its identifiers are those of mice")?;
    for (rate, resolution, scaling) in [(100, 2, 0), (40, 3, 1), (200, 0, 0)] {
        mouse.write(RATE, Width::U32, rate)?;
        mouse.write(RESOLUTION, Width::U32, resolution)?;
        mouse.write(SCALING, Width::U32, scaling)?;
        let status = mouse.read(STATUS, Width::U32)?;
        println!("rate {rate}, resolution {resolution}, scaling {scaling}: status {status:06x}");
        ensure(status & 0x00ff_ff10 == rate << 16 | resolution << 8 | scaling << 4, "it is as it was set")?;
    }
    // a byte that no mouse knows
    let refused = mouse.write(COMMAND.offset().into(), Width::U32, 0x01);
    println!("no command: {refused:?}");
    ensure(matches!(refused, Err(BusError::Refused { .. } | BusError::Timeout { .. })), "nonsense is refused")?;
    ensure(mouse.answers(), "and the mouse is there")?;
    mouse.read(STATUS, Width::U32)?;
    Ok(())
}

/// Shows what it sends, and asks it things meanwhile.
fn listen(mouse: &mut dyn Device, moved: Duration) -> Outcome {
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    mouse.enable_messages(event.as_fd())?;
    mouse.write(REPORTS, Width::U32, 1)?;
    let end = Instant::now() + moved;
    println!("move it");
    while Instant::now() < end {
        let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, u16::try_from(PATIENCE.as_millis())?)? == 0 {
            let status = mouse.read(STATUS, Width::U32)?;
            println!("status {status:06x}");
            continue;
        }
        event.read()?;
        let mut line = String::new();
        while let word = mouse.read(DATA.offset().into(), Width::U32)?
            && word & data::VALID != 0
        {
            let pause = word >> data::PAUSE_SHIFT & data::MOST_PAUSE;
            line += &format!(" {}{:02x}(+{pause})", if word & data::BROKEN != 0 { "|" } else { "" }, word as u8);
        }
        println!("data:{line}");
    }
    mouse.write(REPORTS, Width::U32, 0)?;
    mouse.disable_notices()?;
    Ok(())
}

fn driver(name: &SerioName) -> Outcome<Option<String>> {
    Ok(SerioSysfs::default().find(name)?.and_then(|port| port.driver))
}

fn refusal(name: &SerioName) -> String {
    match RawSerioPort::open(name, OpenOptions::default()) {
        Ok(_) => "not refused".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
