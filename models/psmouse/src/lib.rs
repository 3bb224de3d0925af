//! A PS/2 mouse in software, at the end of its line.
//!
//! [`PsMouseModel`] is the host's end of the line: bytes both ways, each with its time. [`PsMouseHandle`] is the bench beside it:
//! the [hand](Script), the plug, counters, misbehaviour, and a clock that can be turned by hand. [`PsMousePort`] is the same line as a
//! serio port of the framework. No controller is here, and nothing knows a driver.
//!
//! ```
//! use std::time::Duration;
//! use model_psmouse::{Action, Clock, Config, PsMouseModel, codes::command};
//!
//! let (mut line, bench) = PsMouseModel::new(Config { clock: Clock::Manual, ..Config::default() });
//! let mut read = |line: &mut PsMouseModel| {
//!     bench.advance(Duration::from_millis(20));
//!     line.read().map(|byte| byte.value)
//! };
//! line.write(command::ENABLE);
//! assert_eq!(read(&mut line), Some(0xfa));
//!
//! // 12 eighths of a millimetre, at the usual 4 counts in each of them
//! bench.act(Action::Move { right: 12, away: -2 });
//! let packet: Vec<u8> = (0..3).filter_map(|_| read(&mut line)).collect();
//! assert_eq!(packet, [0x28, 6, 0xff]);
//! ```
//!
//! # Variants
//!
//! | | identifier | packet | buttons | wheel |
//! |---|---|---|---|---|
//! | [`Variant::Ps2`] | 00 | 3 bytes | 3 | |
//! | [`Variant::IntelliMouse`] | 00; 03 after rates 200, 100, 80 | 3; 4 | 3 | as 03 |
//! | [`Variant::Explorer`] | the same; 04 after 200, 200, 80 as 03 | 3; 4 | 3; 5 as 04 | as 03 and 04 |
//! | [`Variant::Synaptics`] | 00 | 3 bytes | 3 | |
//!
//! # Where the facts are from
//!
//! Commands, packets and times: the IBM PS/2 technical reference, chapters "Mouse" and "Mouse Controller", and A. Chapweske, "The
//! PS/2 Mouse Interface", which has the IntelliMouse too. The Explorer's knock and fourth byte: Linux's psmouse driver, and
//! Microsoft's description of the wheel. "Identify": Synaptics' TouchPad interfacing guide.
//!
//! Where they leave a choice, or contradict each other:
//!
//! - **Counters of movement** are cleared by each packet and by each command but RESEND. They stop at 255 either way, with the
//!   overflow bit, until they are cleared. What is less than a count is kept, until
//!   counts have another size.
//! - **A command in the middle of a packet**: what is left of the packet is dropped, and with it what it reported.
//! - **A host that does not read** holds the line: the mouse sends no byte, makes no packet, and counts on.
//! - **RESET** is obeyed wherever a byte is expected, as an argument and in wrap mode too. During the self test nothing is heard.
//! - **A byte that is no command, or no legal argument**: RESEND; the next one too that is not: ERROR, and the argument is no
//!   longer waited for.
//! - **RESEND** is answered with the last packet, or the data of the last answer, or its ACK if it had no data.
//! - **SET DEFAULT** leaves the identifier, RESET does not. 200, 100, 80 makes an Explorer 03 again.
//! - **Scaling 2:1** that makes more than 255 of a movement says so by the overflow bit.
//! - **Clicks of the wheel** that do not fit (seven in a packet) come with the next. As an identifier 00 the wheel is not counted
//!   into a packet, and forgotten with it.
//! - **Synaptics' other queries** are answered as STATUS REQUEST is.
//! - **Samples** are due at multiples of the period, from when reports were enabled or the rate was set.
//!
//! # Not modelled
//!
//! Clock and data as lines, and so a host that pulls the clock in the middle of a bit; parity from host to mouse; that a host is
//! to wait between bytes; the horizontal wheel of later Explorers, other makers' extensions and Synaptics' absolute mode; what the
//! sensor does to a movement (smoothing, speed).
#![forbid(unsafe_code)]

pub mod codes;
mod commands;
mod config;
mod counters;
mod hand;
mod line;
mod misbehave;
mod model;
mod motion;
mod mouse;
mod port;
mod state;

pub use config::{Clock, Config, VARIANTS, Variant};
pub use counters::Counters;
pub use hand::{Action, Script};
pub use misbehave::Misbehave;
pub use model::{PsMouseHandle, PsMouseModel, Received};
pub use motion::{Button, Buttons, MOST, MOST_CLICKS};
pub use port::PsMousePort;
pub use state::Settings;
