//! Panics of every sort, and upcalls that the host does not want.

use std::fmt;
use std::hint::black_box;

use fgft::{Fault, FaultKind};

use super::host::{COPY, PANIC, REFUSE, TOUCH};
use super::traps::trash_everything;
use super::{Case, End, Places, Words};

/// Ends with a panic in the middle of its text.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far")?;
        panic!("{Panics}")
    }
}

/// Says that it cannot be written.
struct Fails;

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far")?;
        Err(fmt::Error)
    }
}

/// Faults in the middle of its text.
struct Faults;

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far")?;
        crate::common::store(0);
        Ok(())
    }
}

/// Ten thousand times as much as a note holds.
struct Huge;

impl fmt::Display for Huge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..10_000).try_for_each(|_| f.write_str("more and more and more and more and more"))
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn says(kind: &FaultKind, text: &str) -> bool {
    matches!(kind, FaultKind::Panic { message, location: Some(at) } if message == text && at.line > 0)
}

fn refused(kind: &FaultKind, text: &str) -> bool {
    matches!(kind, FaultKind::Refused { reason } if reason.contains(text))
}

const fn case(name: &'static str, body: fn(&mut Words, &Places), right: fn(&FaultKind, &Places) -> bool) -> Case {
    Case { name, body, end: End::Fault(right) }
}

pub(super) const CASES: &[Case] = &[
    case("panic", |_, _| panic!("plain"), |kind, _| says(kind, "plain")),
    case(
        "panic with arguments",
        |words, _| panic!("word {} is {:#x} {:.2}", 0, words[0], black_box(1.5)),
        |kind, _| says(kind, "word 0 is 0xdead 1.50"),
    ),
    case(
        "index out of bounds",
        |words, _| words[0] = words[black_box(64)],
        |kind, _| says(kind, "index out of bounds: the len is 64 but the index is 64"),
    ),
    case(
        "unwrap of nothing",
        |words, _| words[0] = black_box(None).unwrap(),
        |kind, _| says(kind, "called `Option::unwrap()` on a `None` value"),
    ),
    case(
        "division by zero, as Rust has it",
        |words, _| words[0] /= black_box(0),
        |kind, _| says(kind, "attempt to divide by zero"),
    ),
    case("panic while a panic is written, and so on", |_, _| panic!("{Panics}"), |kind, _| says(kind, "so far")),
    case("panic that cannot be written", |_, _| panic!("{Fails}"), |kind, _| says(kind, "so far")),
    case(
        "fault while a panic is written",
        |_, _| panic!("{Faults}"),
        |kind, _| matches!(kind, FaultKind::NullAccess { .. }),
    ),
    case(
        "panic with a huge message",
        |_, _| panic!("{Huge}"),
        |kind, _| matches!(kind, FaultKind::Panic { message, .. } if message.len() == 1024),
    ),
    case("panic in Drop", |_, _| drop(black_box(PanicsInDrop)), |kind, _| says(kind, "dropped")),
    case(
        "panic with something to drop that panics",
        |_, _| {
            let _dropped_if_unwound = black_box(PanicsInDrop);
            panic!("first");
        },
        |kind, _| says(kind, "first"),
    ),
    // whether the compiler's code for it makes a misaligned access is the compiler's affair
    case(
        "panic with AC, DF and floating point exceptions on",
        |_, _| {
            trash_everything();
            panic!("word {} {:.2}", black_box(1), black_box(1.5));
        },
        |kind, _| !matches!(kind, FaultKind::Hang { .. } | FaultKind::HostPanic { .. }),
    ),
    case(
        "panic in the host's upcall",
        |words, _| words[0] = fgft::upcall(PANIC, [0; 4])[0],
        |kind, _| *kind == FaultKind::HostPanic { message: "the host's own mistake".into() },
    ),
    case("refused upcall", |words, _| words[0] = fgft::upcall(REFUSE, [0; 4])[0], |kind, _| refused(kind, "not today")),
    case(
        "upcall that there is not",
        |words, _| words[0] = fgft::upcall(words[5] | 1 << 63, [u64::MAX; 4])[0],
        |kind, _| refused(kind, "there is none"),
    ),
    case(
        "upcall that reads from nowhere",
        |words, at| words[0] = fgft::upcall(COPY, [at.unmapped, at.state, 0, 0])[0],
        |kind, _| refused(kind, "nothing to read"),
    ),
    case(
        "upcall that reads from a truncated file",
        |words, at| words[0] = fgft::upcall(COPY, [at.truncated, at.state, 0, 0])[0],
        |kind, _| refused(kind, "nothing to read"),
    ),
    case(
        "upcall that writes to the host",
        |words, at| words[0] = fgft::upcall(COPY, [at.state, at.heap, 0, 0])[0],
        |kind, _| refused(kind, "not the driver's own memory"),
    ),
    case(
        "upcall that writes beyond the end of addresses",
        |words, at| words[0] = fgft::upcall(COPY, [at.state, u64::MAX - 3, 0, 0])[0],
        |kind, _| refused(kind, "not the driver's own memory"),
    ),
    Case {
        name: "upcall that touches a BAR which has vanished",
        body: |words, at| words[0] = fgft::upcall(TOUCH, [at.truncated, 0, 0, 0])[0],
        end: End::Return,
    },
    Case {
        name: "a call within a call",
        body: |_, at| {
            // SAFETY: another domain, which the engine must not enter; its memory is not touched.
            let inner = unsafe { (*at.other_domain).run(&mut (), |words| words[0]) };
            assert!(matches!(inner, Err(Fault { kind: FaultKind::Reentered, .. })));
        },
        end: End::Return,
    },
];
