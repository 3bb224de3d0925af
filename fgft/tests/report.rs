//! A fault says who did it: for each way out early the backtrace names the function and the line.
//!
//! Each culprit has a mark at the line that does it; the tests look the marks up in this file.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use std::arch::{asm, naked_asm};
use std::fmt;
use std::hint::black_box;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use common::{WORDS, Words, config};
use fgft::regions::what_is_at;
use fgft::symbols::{Frame, Symbols};
use fgft::{Domain, DomainConfig, DomainMemory, Fault, FaultKind, Refusal, StateKind, Upcalls};

/// Linux maps nothing there.
const NOWHERE: u64 = 0x10_0000_0000;
/// Long enough for a slow machine to fill a stack, short enough to wait for.
const DEADLINE: Duration = Duration::from_millis(100);

fn domain() -> Domain<Words> {
    let config = DomainConfig { deadline: DEADLINE, ..config() };
    Domain::new(&config, [7; WORDS], ()).unwrap()
}

#[inline(never)]
fn culprit_null() {
    // SAFETY: not safe at all: it is the fault under test.
    unsafe { asm!("mov dword ptr [{}], 1", in(reg) 0x18_u64) }; // mark: null
}

#[inline(never)]
fn culprit_division() {
    // SAFETY: as above.
    unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) }; // mark: division
}

#[inline(never)]
fn culprit_wild() {
    // SAFETY: as above.
    unsafe { asm!("mov dword ptr [{}], 1", in(reg) NOWHERE) }; // mark: wild
}

#[inline(never)]
fn culprit_illegal() {
    // SAFETY: as above.
    unsafe { asm!("ud2") }; // mark: illegal
}

#[inline(never)]
fn culprit_panic() {
    panic!("number {}", black_box(5)); // mark: panic
}

#[inline(never)]
fn culprit_index(at: usize) -> u64 {
    let four = black_box([1, 2, 3, 4]);
    four[at] // mark: index
}

#[inline(never)]
fn culprit_unwrap() {
    black_box(None::<u64>).unwrap(); // mark: unwrap
}

struct Panics;
impl fmt::Display for Panics {
    #[inline(never)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far")?;
        panic!("within"); // mark: display
    }
}

#[inline(never)]
fn culprit_recursion(n: u64) -> u64 {
    let frame = black_box([n; 32]);
    if n == 0 {
        return 0;
    }
    culprit_recursion(n - 1) + frame[(n % 32) as usize] // mark: recursion
}

#[inline(never)]
fn culprit_loop() {
    // SAFETY: as above.
    unsafe { asm!("2: jmp 2b") }; // mark: loop
}

#[inline(never)]
fn culprit_upcall(number: u64) -> u64 {
    let reply = fgft::upcall(number, [1, 2, 3, 4]); // mark: upcall
    black_box(reply[0])
}

#[inline(never)]
fn culprit_jump() {
    // SAFETY: as above.
    let nowhere: extern "C" fn() = unsafe { std::mem::transmute(black_box(NOWHERE)) };
    nowhere(); // mark: jump
    black_box(());
}

#[inline(never)]
fn culprit_library() {
    // SAFETY: as above.
    black_box(unsafe { libc::strlen(black_box(std::ptr::without_provenance(0x18))) }); // mark: library
}

/// Returns to nowhere.
#[unsafe(naked)]
extern "C" fn culprit_return() {
    naked_asm!("mov rax, 0x1000000000", "mov qword ptr [rsp], rax", "ret")
}

/// Moves its stack pointer out of the stack, then faults.
#[inline(never)]
fn culprit_stack() {
    // SAFETY: as above.
    unsafe { asm!("xor esp, esp", "ud2", options(noreturn)) }; // mark: stack
}

/// The line of this file with `mark`.
fn line_of(mark: &str) -> u32 {
    let marked = format!("// mark: {mark}");
    let at = include_str!("report.rs").lines().position(|line| line.ends_with(&marked));
    at.unwrap_or_else(|| panic!("no line is marked {mark}")) as u32 + 1
}

struct Host;

impl Upcalls<()> for Host {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, number: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        match number {
            0 => Ok([0; 2]),
            1 => Err("not today".into()),
            2 => panic!("the host's own mistake"),
            _ => {
                // four deadlines: the watchdog's verdict comes here, and the way out of the upcall sees it
                let begin = cpu_time();
                while cpu_time() - begin < 4 * DEADLINE {}
                Ok([0; 2])
            }
        }
    }
}

fn cpu_time() -> Duration {
    // SAFETY: fills a timespec.
    unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time), 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

fn fault_of(domain: &mut Domain<Words>, f: impl FnOnce() + Copy) -> Fault {
    // SAFETY: the closures of these tests own nothing.
    let result = unsafe {
        domain.run(&mut Host, |words| {
            f();
            words[0]
        })
    };
    domain.rollback();
    result.expect_err("the call must fault")
}

fn backtrace(fault: &Fault) -> Vec<Frame> {
    // read once: that takes long where the processor is emulated
    static SYMBOLS: LazyLock<Mutex<Symbols>> = LazyLock::new(|| Symbols::of_this_process().unwrap().into());
    SYMBOLS.lock().unwrap_or_else(PoisonError::into_inner).backtrace(fault)
}

fn frames_of(fault: &Fault) -> Vec<Frame> {
    let frames = backtrace(fault);
    println!("{fault}");
    for frame in &frames {
        println!("    {frame}{}", if frame.inlined { " (inlined)" } else { "" });
    }
    frames
}

/// Runs `f`, and demands that `frame` of the backtrace is `function` of this file at the line with `mark`.
fn expect_frame(f: impl FnOnce() + Copy, frame: usize, function: &str, mark: &str) -> Fault {
    let mut domain = domain();
    let fault = fault_of(&mut domain, f);
    let frames = frames_of(&fault);
    let Some(found) = frames.get(frame) else { panic!("{function}: {} frames", frames.len()) };
    let name = found.function.as_deref().unwrap_or_default();
    assert!(
        name.starts_with("report::") && name.ends_with(function) || name == format!("<report::{function}"),
        "{name}"
    );
    assert!(found.file.as_deref().is_some_and(|file| file.ends_with("fgft/tests/report.rs")), "{found:?}");
    assert_eq!(found.line, Some(line_of(mark)), "{function}");
    fault
}

#[test]
fn traps_name_the_function_and_the_line() {
    expect_frame(culprit_null, 0, "culprit_null", "null");
    expect_frame(culprit_division, 0, "culprit_division", "division");
    expect_frame(culprit_wild, 0, "culprit_wild", "wild");
    expect_frame(culprit_illegal, 0, "culprit_illegal", "illegal");
}

#[test]
fn the_caller_is_named_too() {
    #[inline(never)]
    fn through(f: impl FnOnce() + Copy) {
        f(); // mark: through
        black_box(());
    }
    let mut domain = domain();
    let fault = fault_of(&mut domain, || through(culprit_null));
    let frames = frames_of(&fault);
    assert!(frames[1].function.as_deref().is_some_and(|f| f.contains("through")), "{frames:?}");
    assert_eq!(frames[1].line, Some(line_of("through")));
    // and the engine is nowhere
    let of_engine = |frame: &Frame| frame.function.as_deref().is_some_and(|f| f.contains("fgft"));
    assert!(!frames.iter().any(of_engine), "{frames:?}");
}

#[test]
fn panics_begin_with_the_drivers_own_function() {
    assert!(fgft::panics_are_wrapped(), "this test is linked with --wrap");
    expect_frame(culprit_panic, 0, "culprit_panic", "panic");
    expect_frame(|| _ = culprit_index(black_box(7)), 0, "culprit_index", "index");
    expect_frame(culprit_unwrap, 0, "culprit_unwrap", "unwrap");
    let fault = expect_frame(|| panic!("{Panics}"), 0, "Panics as core::fmt::Display>::fmt", "display");
    assert!(matches!(&fault.kind, FaultKind::Panic { message, .. } if message == "so far"), "{fault}");
}

#[test]
fn a_stack_overflow_shows_the_recursion() {
    let mut domain = domain();
    let fault = fault_of(&mut domain, || _ = black_box(culprit_recursion(black_box(1 << 40))));
    assert!(matches!(fault.kind, FaultKind::StackOverflow { .. }), "{fault}");
    let frames = frames_of(&fault);
    let recursion = frames.iter().filter(|f| f.function.as_deref() == Some("report::culprit_recursion"));
    assert!(recursion.clone().count() > 3 && recursion.clone().count() <= 64);
    assert!(recursion.skip(1).all(|frame| frame.line == Some(line_of("recursion"))), "each called the next there");
    let stack = fault.stack.unwrap();
    assert_eq!(stack.bytes.len(), config().stack_snapshot, "a deep stack is cut");
    assert!(what_is_at(stack.start).starts_with("stack of domain words"), "{}", what_is_at(stack.start));
}

#[test]
fn an_endless_loop_is_found_looping() {
    let mut domain = domain();
    domain.set_deadline(Duration::from_millis(3));
    // many, since a second signal of the watchdog may come while the first is served
    for _ in 0..50 {
        let fault = fault_of(&mut domain, culprit_loop);
        assert!(matches!(fault.kind, FaultKind::Hang { .. }), "{fault}");
        let first = &backtrace(&fault)[0];
        assert_eq!(first.function.as_deref(), Some("report::culprit_loop"));
        assert_eq!(first.line, Some(line_of("loop")));
    }
}

#[test]
fn what_ends_in_an_upcall_shows_who_called() {
    for (number, kind) in [(1, "refused"), (2, "host-panic"), (3, "hang")] {
        let fault = expect_frame(|| _ = culprit_upcall(number), 0, "culprit_upcall", "upcall");
        assert_eq!(fault.kind.name(), kind, "{fault}");
        assert!(fault.registers.is_none(), "no trap was involved");
    }
}

#[test]
fn a_quota_of_upcalls_ends_the_call_that_exceeds_it() {
    let mut domain = Domain::<Words>::new(&DomainConfig { max_upcalls: 10, ..config() }, [7; WORDS], ()).unwrap();
    let mut call = |upcalls: u64| {
        // SAFETY: owns nothing.
        let result = unsafe { domain.run(&mut Host, |_| (0..upcalls).map(|_| culprit_upcall(0)).sum::<u64>()) };
        domain.rollback();
        result
    };
    for _ in 0..3 {
        assert_eq!(call(10), Ok(0), "each call has its own count");
        let fault = call(11).unwrap_err();
        let FaultKind::Refused { reason } = &fault.kind else { panic!("{fault}") };
        assert_eq!(reason, "more than 10 upcalls in one call");
        assert_eq!(frames_of(&fault)[0].function.as_deref(), Some("report::culprit_upcall"));
    }
}

#[test]
fn a_jump_to_nowhere_shows_where_it_came_from() {
    let fault = expect_frame(culprit_jump, 1, "culprit_jump", "jump");
    let first = &frames_of(&fault)[0];
    assert_eq!((first.address, &first.function), (NOWHERE, &None));
    assert_eq!(first.to_string(), "0x1000000000");
}

#[test]
fn a_fault_in_a_shared_library_shows_who_called_it() {
    let mut domain = domain();
    let fault = fault_of(&mut domain, culprit_library);
    let frames = frames_of(&fault);
    assert_eq!(frames[0].function, None, "a raw address");
    assert!(what_is_at(frames[0].address).starts_with("libc"), "{}", what_is_at(frames[0].address));
    let caller = frames.iter().find(|f| f.function.is_some()).expect("the library was called by someone");
    assert_eq!((caller.function.as_deref(), caller.line), (Some("report::culprit_library"), Some(line_of("library"))));
}

#[test]
fn a_smashed_stack_still_shows_where_the_call_was() {
    let mut domain = domain();
    let fault = fault_of(&mut domain, || culprit_return());
    assert_eq!(frames_of(&fault)[0].address, NOWHERE, "{:?}", fault.stack);
    // the stack pointer elsewhere: nothing to unwind, but the place is known
    let fault = expect_frame(culprit_stack, 0, "culprit_stack", "stack");
    let stack = fault.stack.clone().unwrap();
    assert!(stack.bytes.is_empty() && stack.sp < 16, "{stack:?}");
    assert_eq!(frames_of(&fault).len(), 1);
    // all of the stack overwritten with one word that is code: no frame is made up of it
    let code = culprit_null as *const () as u64;
    let fault = fault_of(&mut domain, || {
        // SAFETY: as above; it stops at the guard above the stack.
        unsafe { asm!("mov rdi, rsp", "mov rcx, 0x100000", "rep stosq", in("rax") code, out("rdi") _, out("rcx") _) };
    });
    let frames = frames_of(&fault);
    assert!(frames.iter().all(|f| f.function.as_deref() != Some("report::culprit_null")), "{frames:?}");
}

#[test]
fn nothing_is_kept_where_nothing_is_wanted() {
    let mut domain = Domain::<Words>::new(&DomainConfig { stack_snapshot: 0, ..config() }, [7; WORDS], ()).unwrap();
    let fault = fault_of(&mut domain, culprit_null);
    assert_eq!(fault.stack, None);
    assert_eq!(frames_of(&fault)[0].function.as_deref(), Some("report::culprit_null"), "the registers say as much");
    assert_eq!(frames_of(&fault_of(&mut domain, || _ = culprit_upcall(1))), []);
    let few = DomainConfig { stack_snapshot: 24, ..config() };
    let fault = fault_of(&mut Domain::<Words>::new(&few, [7; WORDS], ()).unwrap(), culprit_null);
    assert_eq!(fault.stack.as_ref().map(|stack| stack.bytes.len()), Some(24));
    assert_eq!(frames_of(&fault)[0].function.as_deref(), Some("report::culprit_null"));
}

#[test]
fn a_domain_names_its_memory() {
    // a name that no other test of this process has
    let kind = StateKind { name: "named", version: 1 };
    let config = DomainConfig { deadline: DEADLINE, ..DomainConfig::new(kind) };
    let mut domain = Domain::<Words, u64>::new(&config, [7; WORDS], 5).unwrap();
    // SAFETY: only reports addresses.
    let [state, local] =
        unsafe { domain.run(&mut (), |words| [words.as_ptr() as u64, &raw const words as u64]) }.unwrap();
    domain.rollback();
    assert_eq!(what_is_at(state + 0x18), "state of domain named + 0x18");
    assert!(what_is_at(local).starts_with("stack of domain named + 0x"), "{}", what_is_at(local));
    assert_eq!(what_is_at(std::ptr::from_ref(domain.ledger()) as u64), "ledger (the host's) of domain named");
    let committed = std::ptr::from_ref(domain.committed_ledger()) as u64;
    assert!(what_is_at(committed).starts_with("image 1 of domain named + 0x200"), "{}", what_is_at(committed));

    // SAFETY: owns nothing.
    let fault = unsafe { domain.run(&mut (), |_| culprit_recursion(black_box(1 << 40))) }.unwrap_err();
    let FaultKind::StackOverflow { address } = fault.kind else { panic!("{fault}") };
    assert!(what_is_at(address).starts_with("guard below the stack of domain named + 0xf"), "{}", what_is_at(address));
    drop(domain);
    assert!(!what_is_at(state + 0x18).contains("domain named"), "{}: the name goes with the memory", what_is_at(state));

    assert!(what_is_at(culprit_null as *const () as u64).contains(" text + 0x"));
    assert_eq!(what_is_at(0x18), "nothing mapped, null + 0x18");
}
