//! A port at which things are said that a test has written down.

use std::cell::RefCell;
use std::collections::VecDeque;

use psmouse::{PsMouse, State, regs};
use udrv_driver::abi::Request;
use udrv_driver::{Cx, Driver, Error, InputDriver, Kind, RegisterInfo, Report, Services};

/// Sorts of mice, by the name that `info` gives.
pub(crate) const NAMES: [&str; 5] =
    ["PS/2 mouse", "IntelliMouse", "IntelliMouse Explorer", "Synaptics touchpad", "ALPS touchpad"];

/// What is said, and what was done.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What DATA says next.
    pub(crate) data: VecDeque<u32>,
    pub(crate) ids: VecDeque<u32>,
    pub(crate) statuses: VecDeque<u32>,
    pub(crate) reset: u32,
    pub(crate) packet: u32,
    /// What DATA says behind an answer of that.
    pub(crate) behind: VecDeque<u32>,
    pub(crate) reports: Vec<Report>,
    pub(crate) dropped: u64,
    /// Registers that were written, by name, and values.
    pub(crate) writes: Vec<(&'static str, u32)>,
    /// How severe each line of the log was.
    pub(crate) logs: Vec<u64>,
}

/// What is declared there.
pub(crate) fn declared(w: [u64; 4]) -> &'static RegisterInfo {
    let is = |register: &&RegisterInfo| u64::from(register.offset) == w[0] && u64::from(register.width) == w[1];
    PsMouse::REGISTERS.iter().find(is).unwrap_or_else(|| panic!("undeclared {:#x}/{}", w[0], w[1]))
}

/// The script as a framework.
pub(crate) struct Port<'a>(pub(crate) &'a RefCell<Script>);

impl Services for Port<'_> {
    fn request(&self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let mut script = self.0.borrow_mut();
        match request {
            Request::RegisterRead => {
                let value = match declared(w).name {
                    "DATA" => script.data.pop_front().unwrap_or(0),
                    "RESPONSE" => script.reset,
                    "ID" => script.ids.pop_front().expect("an id"),
                    "STATUS" => script.statuses.pop_front().expect("a status"),
                    "PACKET3" | "PACKET4" => {
                        let behind = std::mem::take(&mut script.behind);
                        script.data.extend(behind);
                        script.packet
                    }
                    name => panic!("{name} is not read"),
                };
                return Ok(value.into());
            }
            Request::RegisterWrite => {
                let register = declared(w);
                assert!(matches!(register.kind, Kind::WriteOnly | Kind::Command), "a write of {}", register.name);
                script.writes.push((register.name, w[2] as u32));
            }
            Request::Report => script.reports.push(Report::from_words([w[0], w[1]]).expect("a report")),
            Request::Dropped => script.dropped += w[0],
            Request::Log => script.logs.push(w[0]),
            other => panic!("this driver does not ask for {other:?}"),
        }
        Ok(0)
    }
}

/// A mouse of sort `number` in [`NAMES`], probed.
pub(crate) fn probed(number: usize) -> (RefCell<Script>, State) {
    let script = Script {
        reset: 0x00aa,
        ids: [&[0, 0][..], &[0, 3, 3], &[0, 3, 4], &[0], &[0]][number].to_vec().into(),
        // identify, and reports "E6" and "E7": a mouse has its rate, resolution and scaling in them
        statuses: if number == 3 {
            [0x17_4702].into()
        } else {
            [0x64_0000, 0x64_0000, if number == 4 { 0x64_0273 } else { 0x64_0010 }].into()
        },
        ..Script::default()
    };
    let (script, mut state) = (RefCell::new(script), PsMouse::NEW);
    assert_eq!(PsMouse::probe(&mut Cx::new(&mut state, &Port(&script), None)), Ok(()));
    assert_eq!(PsMouse::info(&state).name, NAMES[number]);
    (script, state)
}

/// A byte of DATA with a pause in milliseconds before it.
pub(crate) fn byte(value: u8, pause: u32) -> u32 {
    regs::data::VALID | pause << regs::data::PAUSE_SHIFT | u32::from(value)
}
