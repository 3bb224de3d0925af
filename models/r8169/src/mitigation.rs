//! IntrMitigate: interrupts that wait for company (undocumented; what drivers for the real chips take it for).
//!
//! Four fields of four bits, from the top: steps that an interrupt for sent frames waits, frames in fours after which it
//! does not, and the same two for received ones. INTT in CPCR and the speed of the link say how long a step is. The time
//! runs from the first frame that was not told of. Causes stand in ISR at once; the line waits. Without steps it does not,
//! whatever the number of frames. Other causes do not wait.

use std::time::{Duration, Instant};

use crate::config::Variant;
use crate::regs::{cpcr, isr, phystatus};

/// The causes of each direction: what is sent, and what is received.
const CAUSES: [u16; 2] = [isr::TOK | isr::TER | isr::TDU, isr::ROK | isr::RER];
/// Numbers of the directions.
pub(crate) const SENT: usize = 0;
pub(crate) const RECEIVED: usize = 1;

/// How long a step is. `status` is PHYSTATUS.
pub(crate) fn step(variant: Variant, status: u8, cpcr: u16) -> Duration {
    let shortest = match status & (phystatus::SPEED_100 | phystatus::SPEED_10) {
        phystatus::SPEED_10 => 40_960,
        phystatus::SPEED_100 => 2_560,
        _ if variant.is_pcie() => 5_000,
        _ => 320,
    };
    Duration::from_nanos(shortest * [1, 8, 16, 32][usize::from(cpcr & cpcr::INTT)])
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Mitigation {
    directions: [Direction; 2],
}

#[derive(Debug, Default)]
struct Direction {
    /// Since there was a cause.
    frames: u32,
    since: Option<Instant>,
    /// When the line is asserted for it.
    due: Option<Instant>,
}

impl Mitigation {
    /// A frame was sent or received; its cause is set.
    pub(crate) fn note(&mut self, direction: usize) {
        self.directions[direction].frames += 1;
    }

    /// Those of `causes`, masked or not, that do not wait. `now` is asked for only if it matters.
    pub(crate) fn pass(&mut self, causes: u16, fields: u16, step: Duration, now: impl Fn() -> Instant) -> u16 {
        let mut pass = causes;
        for (n, direction) in self.directions.iter_mut().enumerate() {
            direction.due = None;
            let (steps, fours) = (fields >> (12 - 8 * n) & 0xf, fields >> (8 - 8 * n) & 0xf);
            if causes & CAUSES[n] == 0 {
                *direction = Direction::default();
            } else if steps != 0 && (fours == 0 || direction.frames < u32::from(fours) * 4) {
                let now = now();
                let due = *direction.since.get_or_insert(now) + step * steps.into();
                if now < due {
                    direction.due = Some(due);
                    pass &= !CAUSES[n];
                }
            }
        }
        pass
    }

    /// When the next of those that wait does not.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.directions.iter().filter_map(|direction| direction.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u16 = isr::ROK | isr::TOK | isr::LINKCHG;

    #[test]
    fn steps_are_those_of_other_drivers() {
        let of = |variant, status, intt| step(variant, status, intt).as_nanos();
        for (intt, longer) in [(0, 1), (1, 8), (2, 16), (3, 32)] {
            for (status, pci, pcie) in [
                (phystatus::SPEED_1000, 320, 5_000),
                (phystatus::SPEED_100, 2_560, 2_560),
                (phystatus::SPEED_10, 40_960, 40_960),
                (0, 320, 5_000),
            ] {
                assert_eq!(of(Variant::Rtl8169Sc, status, intt | cpcr::MULRW), pci * longer);
                assert_eq!(of(Variant::Rtl8168B, status, intt), pcie * longer);
            }
        }
    }

    #[test]
    fn each_direction_waits_its_steps_and_others_do_not() {
        let mut mitigation = Mitigation::default();
        let (start, step) = (Instant::now(), Duration::from_micros(10));
        let at = |us: u64| start + Duration::from_micros(us);
        // 30 us for what is sent, 50 for what is received
        let mut pass = |causes, us| {
            let passes = mitigation.pass(causes, 0x3050, step, || at(us));
            (passes, mitigation.due())
        };
        assert_eq!(pass(ALL, 0), (isr::LINKCHG, Some(at(30))));
        assert_eq!(pass(ALL, 29), (isr::LINKCHG, Some(at(30))));
        assert_eq!(pass(ALL, 30), (isr::LINKCHG | isr::TOK, Some(at(50))));
        assert_eq!(pass(ALL, 50), (ALL, None));
        assert_eq!(pass(isr::ROK, 60), (isr::ROK, None), "until it is acknowledged");
        assert_eq!(pass(0, 70), (0, None));
        assert_eq!(pass(isr::ROK, 80), (0, Some(at(130))), "and then anew");
        assert_eq!(pass(0, 90), (0, None), "what waited was taken away");
    }

    #[test]
    fn enough_frames_do_not_wait() {
        let mut mitigation = Mitigation::default();
        let now = Instant::now();
        for n in 1..=9 {
            mitigation.note(RECEIVED);
            let passes = mitigation.pass(isr::ROK, 0x5052, Duration::from_secs(1), || now);
            assert_eq!((passes == isr::ROK, mitigation.due().is_none()), (n >= 8, n >= 8), "{n}");
        }
        mitigation.pass(0, 0x5052, Duration::from_secs(1), || now);
        mitigation.note(RECEIVED);
        assert_eq!(mitigation.pass(isr::ROK, 0x5052, Duration::from_secs(1), || now), 0, "counted anew");
    }

    #[test]
    fn without_steps_nothing_waits() {
        let mut mitigation = Mitigation::default();
        for fields in [0, 0x0f0f] {
            let passes = mitigation.pass(ALL, fields, Duration::from_secs(1), || panic!("nobody asks for the time"));
            assert_eq!((passes, mitigation.due()), (ALL, None));
        }
    }
}
