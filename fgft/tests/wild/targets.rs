//! What wild accesses aim at: one range for each sort of memory that is not the driver's.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;

use fgft::{Domain, DomainMemory, Refusal, Upcalls};

use crate::common::thread::Thread;
use crate::common::{WORDS, Words, config};

static STATICS: [AtomicU64; 512] = [const { AtomicU64::new(0x5741_5449_4353) }; 512];
static CONSTANTS: [u64; 512] = [0x7265_6164_206f_6e6c; 512];

thread_local! {
    static LOCALS: [Cell<u64>; 256] = const { [const { Cell::new(0x0010_ca15) }; 256] };
}

/// The domain whose code strikes.
pub(crate) type Striker = Domain<Words, [u64; 32]>;

/// A range of memory that must not change.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) start: u64,
    pub(crate) words: u64,
    pub(crate) access: Access,
}

/// What the host can do with a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read and write: code inside may read it too.
    Host,
    /// Read and write, with a key that is shut to reads as well.
    Key,
    /// Read.
    ReadOnly,
    /// Nothing: a guard.
    Nothing,
}

impl Target {
    /// A checksum of its content.
    pub(crate) fn sum(&self) -> u64 {
        let word = |i| {
            // SAFETY: live memory of these tests; volatile since code under test may have changed it.
            unsafe { ((self.start + 8 * i) as *const u64).read_volatile() }
        };
        let words = if self.access == Access::Nothing { 0 } else { self.words };
        (0..words).fold(0, |sum: u64, i| (sum.rotate_left(5) ^ word(i)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Turns one bit by the host itself, as a write that escaped would.
    pub(crate) fn change(&self, offset: u64) {
        let at = (self.start + offset) as *mut u8;
        let page = (at as usize & !4095) as *mut libc::c_void;
        let protect = |rights| {
            // SAFETY: a page of this program's own constants or code; nothing there runs or is read meanwhile.
            assert_eq!(unsafe { libc::mprotect(page, 4096, rights) }, 0);
        };
        let read_only = self.access == Access::ReadOnly;
        if read_only {
            protect(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        }
        // SAFETY: live memory of these tests that may be written now.
        unsafe { at.write_volatile(at.read_volatile() ^ 1) };
        if read_only {
            protect(libc::PROT_READ | libc::PROT_EXEC);
        }
    }
}

/// Statics and constants are there once: the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// All targets, and what keeps them alive.
pub(crate) struct Targets {
    pub(crate) all: Vec<Target>,
    _turn: MutexGuard<'static, ()>,
    _heap: Box<[u64]>,
    _journal: Vec<(u32, u32)>,
    _other: Domain<Words, u64>,
    end: Option<mpsc::Sender<()>>,
    other_thread: Option<JoinHandle<bool>>,
}

const PATTERN: u64 = 0x07e4;

impl Targets {
    /// `host_stack` is an array on the stack of the thread that will strike from inside `domain`.
    pub(crate) fn new(domain: &mut Striker, host_stack: &[u64]) -> Targets {
        let turn = TURN.lock().unwrap_or_else(|failed| failed.into_inner());
        let heap: Box<[u64]> = (0..4096).collect();
        let journal: Vec<(u32, u32)> = (0..512).map(|register| (register, !register)).collect();
        let mut other = Domain::<Words, u64>::new(&config(), [1; WORDS], 0).expect("another domain");
        let (other_state, other_stack) = inside(&mut other);
        let (send, receive) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let other_thread = std::thread::spawn(move || {
            let words = std::hint::black_box([PATTERN; 512]);
            send.send(words.as_ptr() as u64).expect("the test waits for it");
            let _ = ended.recv();
            words.iter().all(|word| *word == PATTERN)
        });
        let thread = receive.recv().expect("the thread's answer");
        // SAFETY: owns nothing; gives this thread its signal stack.
        unsafe { domain.run(&mut (), |words| words[0]) }.expect("no fault");
        domain.rollback();
        let guard = Thread::now().signal_stack().0 - 0x1_0000;
        let ledger = std::ptr::from_ref(domain.ledger()) as u64;
        let images = mapping_of(std::ptr::from_ref(domain.committed_ledger()) as u64).0;
        let other_images = mapping_of(std::ptr::from_ref(other.committed_ledger()) as u64);
        let target = |name, start, words, access| Target { name, start, words, access };
        let host = |name, start, words| target(name, start, words, Access::Host);
        let all = vec![
            host("heap", heap.as_ptr() as u64, heap.len() as u64),
            host("statics", STATICS.as_ptr() as u64, 512),
            host("thread-locals", LOCALS.with(|l| l.as_ptr() as u64), 256),
            host("another thread's stack", thread, 512),
            host("this thread's host stack", host_stack.as_ptr() as u64, host_stack.len() as u64),
            host("the ledger", ledger, 32),
            // the header too
            host("the committed images", images, (ledger - images) / 8),
            host("a journal on the heap", journal.as_ptr() as u64, journal.len() as u64),
            host("another domain's images", other_images.0, (other_images.1 - other_images.0) / 8),
            target("another domain's state", other_state, WORDS as u64, Access::Key),
            target("another domain's stack", other_stack & !4095, 512, Access::Key),
            target("a mapped BAR", device_memory(true), 512, Access::Key),
            target("a descriptor ring", device_memory(false), 512, Access::Key),
            target("a payload buffer", device_memory(false), 512, Access::Key),
            target("code", not_called as *const () as u64, 2, Access::ReadOnly),
            target("constants", CONSTANTS.as_ptr() as u64, 512, Access::ReadOnly),
            target("the signal stack's guard", guard, 0x1_0000 / 8, Access::Nothing),
        ];
        Targets {
            all,
            _turn: turn,
            _heap: heap,
            _journal: journal,
            _other: other,
            end: Some(end),
            other_thread: Some(other_thread),
        }
    }

    pub(crate) fn sums(&self) -> Vec<u64> {
        self.all.iter().map(Target::sum).collect()
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        drop(self.end.take());
        let intact = self.other_thread.take().is_some_and(|thread| thread.join().is_ok_and(|intact| intact));
        assert!(intact || std::thread::panicking(), "the other thread's stack has changed");
    }
}

/// Code that is aimed at: never run.
#[inline(never)]
fn not_called() -> u64 {
    std::hint::black_box(0x0123_4567_89ab_cdef)
}

/// Where a domain's state and stack are.
fn inside(domain: &mut Domain<Words, u64>) -> (u64, u64) {
    struct Notes(u64, u64);
    impl Upcalls<u64> for Notes {
        fn upcall(&mut self, _: &mut u64, _: &DomainMemory, _: u64, words: [u64; 4]) -> Result<[u64; 2], Refusal> {
            *self = Notes(words[0], words[1]);
            Ok([0; 2])
        }
    }
    let mut notes = Notes(0, 0);
    // SAFETY: only reports addresses.
    let done = unsafe {
        domain.run(&mut notes, |words| {
            let local = [0_u8; 4096];
            let at = std::hint::black_box(&raw const local) as u64;
            fgft::upcall(0, [words.as_ptr() as u64, at, 0, 0])[0]
        })
    };
    assert!(done.is_ok());
    domain.rollback();
    (notes.0, notes.1)
}

/// A page as the framework has it for a device, with the device key if there is one: shared file memory, as DMA memory is
/// and (to the page tables) a BAR.
fn device_memory(decreasing: bool) -> u64 {
    // SAFETY: a fresh file and a fresh page of it, which stays mapped until the test's process ends.
    unsafe {
        let file = libc::memfd_create(c"device".as_ptr(), libc::MFD_CLOEXEC);
        assert!(file >= 0 && libc::ftruncate(file, 4096) == 0);
        let page = libc::mmap(std::ptr::null_mut(), 4096, 3, libc::MAP_SHARED, file, 0);
        assert_ne!(page, libc::MAP_FAILED);
        libc::close(file);
        for i in 0..512 {
            page.cast::<u64>().add(i).write(if decreasing { !i as u64 } else { i as u64 });
        }
        if let Some(key) = fgft::device_key() {
            assert_eq!(libc::syscall(libc::SYS_pkey_mprotect, page, 4096, 3, key), 0);
        }
        page as u64
    }
}

fn mapping_of(address: u64) -> (u64, u64) {
    crate::common::mappings().into_iter().find(|(from, to)| (*from..*to).contains(&address)).expect("a mapping")
}
