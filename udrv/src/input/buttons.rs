//! What the endpoint was told, and so what has changed with a report. No I/O.

use udrv_driver::{Buttons, InputInfo, Report};

use crate::endpoint::input::Frame;

/// Buttons as the endpoint was told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    down: Buttons,
    /// Another process has told them last: each may be down or not.
    doubt: bool,
}

impl Told {
    /// The endpoint is another process's, and may have any button down.
    pub(super) const fn in_doubt() -> Told {
        Told { down: Buttons::NONE, doubt: true }
    }

    /// Those that are down.
    pub(super) const fn down(self) -> Buttons {
        self.down
    }

    /// Takes note of a report of a device that has what `info` says. `None`: nothing has changed. Buttons and wheels that it has
    /// not are no change: a report is an allegation.
    pub(super) fn report(&mut self, report: Report, info: &InputInfo) -> Option<Frame> {
        let down = Buttons(report.buttons.0 & info.buttons.0);
        let mut frame = self.change(down, info.buttons);
        (frame.x, frame.y) = (report.x, report.y);
        frame.wheel = if info.wheel { report.wheel } else { 0 };
        frame.pan = if info.pan { report.pan } else { 0 };
        (frame != Frame::default()).then_some(frame)
    }

    /// All buttons go up. `None`: they are.
    pub(super) fn release(&mut self, info: &InputInfo) -> Option<Frame> {
        let frame = self.change(Buttons::NONE, info.buttons);
        (frame != Frame::default()).then_some(frame)
    }

    fn change(&mut self, down: Buttons, has: Buttons) -> Frame {
        let before = std::mem::replace(self, Told { down, doubt: false });
        let maybe_down = if before.doubt { has } else { before.down };
        Frame {
            // one that is down as the endpoint has it is told again for nothing
            press: Buttons(down.0 & !before.down.0),
            release: Buttons(maybe_down.0 & !down.0),
            ..Frame::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: InputInfo = InputInfo {
        name: "mouse",
        protocol: "PS/2",
        buttons: Buttons(7),
        wheel: true,
        pan: false,
        rate: 100,
        resolution: 200,
        double: false,
        enabled: true,
    };
    const LEFT: Report = Report { buttons: Buttons::LEFT, x: 0, y: 0, wheel: 0, pan: 0 };
    const NOTHING: Report = Report { buttons: Buttons::NONE, ..LEFT };

    #[test]
    fn what_has_changed_is_told_and_nothing_else() {
        let mut told = Told::default();
        assert_eq!(told.report(NOTHING, &INFO), None);
        let press = Frame { press: Buttons::LEFT, ..Frame::default() };
        assert_eq!(told.report(LEFT, &INFO), Some(press));
        assert_eq!(told.report(LEFT, &INFO), None, "still down");
        let moved = Report { x: -1, wheel: 2, ..LEFT };
        assert_eq!(told.report(moved, &INFO), Some(Frame { x: -1, wheel: 2, ..Frame::default() }));
        // a report between them was lost
        let both = Report { buttons: Buttons::RIGHT, ..LEFT };
        let change = Frame { press: Buttons::RIGHT, release: Buttons::LEFT, ..Frame::default() };
        assert_eq!(told.report(both, &INFO), Some(change));
        assert_eq!(told.release(&INFO), Some(Frame { release: Buttons::RIGHT, ..Frame::default() }));
        assert_eq!(told.release(&INFO), None);
    }

    #[test]
    fn what_the_device_has_not_is_not_told() {
        let mut told = Told::default();
        let report = Report { buttons: Buttons::SIDE, pan: 1, ..LEFT };
        assert_eq!(told.report(report, &INFO), None);
        assert_eq!(told.report(Report { wheel: 1, ..NOTHING }, &InputInfo { wheel: false, ..INFO }), None);
    }

    #[test]
    fn in_doubt_every_button_is_told_once() {
        let mut told = Told::in_doubt();
        let first = told.report(LEFT, &INFO).expect("all of them");
        assert_eq!((first.press, first.release), (Buttons::LEFT, Buttons::RIGHT | Buttons::MIDDLE));
        assert_eq!(told.report(LEFT, &INFO), None);
        let all = Told::in_doubt().release(&INFO).expect("all of them");
        assert_eq!((all.press, all.release), (Buttons::NONE, INFO.buttons));
    }
}
