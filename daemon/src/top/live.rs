//! The loop: what happens, to the model; the model, to the terminal.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::ask::{Heard, Known, ask};
use super::draw;
use super::input::{Action, action};
use super::model::Model;
use super::screen::Screen;
use super::{Options, PATIENCE, TopError};
use crate::client::running;

/// Ages are right to a second, however rarely daemons are asked.
const REDRAW: Duration = Duration::from_secs(1);

/// What happens.
#[derive(Debug)]
pub(super) enum Happening {
    /// A daemon has answered, or has not.
    Heard(String, Heard),
    /// A key, or another size.
    Terminal(Event),
    /// The terminal is gone.
    Lost(io::Error),
    /// A signal: the end.
    Stop,
}

/// Shows it until somebody ends it.
///
/// # Errors
/// [`TopError`].
pub fn run(options: &Options) -> Result<(), TopError> {
    if !Screen::is_there() {
        return Err(TopError::NoTerminal);
    }
    let (sender, happenings) = channel();
    // before the terminal is changed: no signal may end this process between the two
    hear_signals(sender.clone()).map_err(TopError::Start)?;
    let mut screen = Screen::enter().map_err(TopError::Terminal)?;
    hear_terminal(sender.clone()).map_err(TopError::Start)?;
    show(options, &mut screen, &sender, &happenings)
}

fn show(
    options: &Options,
    screen: &mut Screen,
    sender: &Sender<Happening>,
    happenings: &Receiver<Happening>,
) -> Result<(), TopError> {
    let start = Instant::now();
    let mut model = Model::new(&options.devices);
    let mut due = Duration::ZERO;
    loop {
        let now = start.elapsed();
        model.at(now);
        if now >= due {
            due = now + options.interval;
            if !model.paused {
                look(&mut model, now, &options.directory, sender).map_err(TopError::Start)?;
            }
        }
        let mut most = 0;
        screen.draw(|area, to| most = draw::screen(&model, area, to)).map_err(TopError::Terminal)?;
        model.scrolled = model.scrolled.min(most); // beyond the end there is no way to come back from
        let wait = due.saturating_sub(start.elapsed()).min(REDRAW);
        let first = match happenings.recv_timeout(wait) {
            Ok(happening) => happening,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        for happening in std::iter::once(first).chain(happenings.try_iter()) {
            match happening {
                Happening::Heard(name, heard) => model.hear(start.elapsed(), &name, heard),
                Happening::Terminal(Event::Resize(..)) => {
                    screen.forget().map_err(TopError::Terminal)?;
                    break;
                }
                Happening::Terminal(event) => {
                    let action = action(&event);
                    if action.is_some_and(|action| model.act(action)) {
                        return Ok(());
                    }
                    // where the end is shows when it is drawn
                    if matches!(action, Some(Action::Scroll(_))) {
                        break;
                    }
                }
                Happening::Lost(error) => return Err(TopError::Terminal(error)),
                Happening::Stop => return Ok(()),
            }
        }
    }
}

/// Asks all that are there, each on a thread of its own.
pub(super) fn look(model: &mut Model, now: Duration, directory: &Path, to: &Sender<Happening>) -> io::Result<()> {
    for (name, known) in model.look(now, &running(directory)) {
        ask_aside(directory, name, known, to.clone())?;
    }
    Ok(())
}

fn ask_aside(directory: &Path, name: String, known: Option<Known>, to: Sender<Happening>) -> io::Result<()> {
    let directory = directory.to_owned();
    let asking = move || {
        let heard = ask(&directory, &name, known, PATIENCE);
        // nobody may be there any more who wants to know
        let _ = to.send(Happening::Heard(name, heard));
    };
    thread::Builder::new().name("ask".into()).spawn(asking).map(drop)
}

fn hear_terminal(to: Sender<Happening>) -> io::Result<()> {
    let hear = move || {
        loop {
            let (happening, lost) = match event::read() {
                Ok(event) => (Happening::Terminal(event), false),
                Err(error) => (Happening::Lost(error), true),
            };
            if to.send(happening).is_err() || lost {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".into()).spawn(hear).map(drop)
}

fn hear_signals(to: Sender<Happening>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let hear = move || {
        for _ in signals.forever() {
            if to.send(Happening::Stop).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(hear).map(drop)
}
