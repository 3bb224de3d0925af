//! Where cases strike.

use std::sync::mpsc;
use std::thread::JoinHandle;

use fgft::Domain;

use crate::common::thread::Thread;
use crate::common::{Words, mappings};

const HEAP_WORDS: usize = 4096;
const PATTERN: u64 = 0x6865_6170;

/// Addresses. Code inside reads them, in host memory.
pub(crate) struct Places {
    /// Nothing is mapped for a gigabyte from here.
    pub(crate) unmapped: u64,
    /// A page of a file that has been truncated.
    pub(crate) truncated: u64,
    /// The domain's state.
    pub(crate) state: u64,
    /// The domain's stack: lowest address, and the one behind its end.
    pub(crate) stack: (u64, u64),
    /// The middle of this thread's signal stack.
    pub(crate) signal_stack: u64,
    /// The middle of a block of the host.
    pub(crate) heap: u64,
    /// The middle of an array on the stack of another thread.
    pub(crate) other_stack: u64,
    /// Another domain.
    pub(crate) other_domain: *mut Domain<Words, u64>,
    block: Box<[u64; HEAP_WORDS]>,
    other_thread: Option<(mpsc::Sender<()>, JoinHandle<bool>)>,
}

impl Places {
    pub(super) fn new(domain: &mut Domain<Words, u64>, state: u64, thread: &Thread) -> Places {
        // SAFETY: the closure owns nothing.
        let inside = unsafe {
            domain.run(&mut (), |_| {
                let local = 0_u8;
                std::hint::black_box(&raw const local) as u64
            })
        };
        domain.rollback();
        let (start, bytes) = thread.signal_stack();
        let block = Box::new([PATTERN; HEAP_WORDS]);
        let (other_stack, other_thread) = another_stack();
        let mut other = Domain::new(&crate::common::config(), [0; crate::common::WORDS], 0).expect("another domain");
        other.commit();
        Places {
            unmapped: unmapped(),
            truncated: truncated(),
            state,
            stack: mapping_of(inside.expect("an address")),
            signal_stack: start + bytes / 2,
            heap: block.as_ptr() as u64 + 4 * HEAP_WORDS as u64,
            other_stack,
            other_domain: Box::into_raw(Box::new(other)),
            block,
            other_thread: Some(other_thread),
        }
    }

    pub(super) fn check_heap(&self, name: &str) {
        assert!(self.block.iter().all(|word| *word == PATTERN), "{name}: the host's heap has changed");
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw`, once.
        drop(unsafe { Box::from_raw(self.other_domain) });
        // SAFETY: this struct's own mapping.
        unsafe { libc::munmap(self.truncated as *mut libc::c_void, 4096) };
        let (end, thread) = self.other_thread.take().expect("once");
        drop(end);
        assert!(thread.join().expect("the other thread"), "the other thread's stack has changed");
    }
}

/// A thread that waits, and an address on its stack.
fn another_stack() -> (u64, (mpsc::Sender<()>, JoinHandle<bool>)) {
    let (send, receive) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let words = std::hint::black_box([PATTERN; 512]);
        send.send(words[256..].as_ptr() as u64).expect("the test waits for it");
        let _ = ended.recv();
        words.iter().all(|word| *word == PATTERN)
    });
    (receive.recv().expect("the thread's answer"), (end, thread))
}

/// Addresses that stay free: far from where Linux puts anything by itself.
fn unmapped() -> u64 {
    let (at, end) = (0x10_0000_0000, 0x10_4000_0000);
    assert!(mappings().iter().all(|(from, to)| *to <= at || *from >= end), "something is mapped at {at:#x}");
    at
}

fn mapping_of(address: u64) -> (u64, u64) {
    mappings().into_iter().find(|(from, to)| (*from..*to).contains(&address)).expect("a mapping of the stack")
}

/// A page whose file has been cut: what a BAR is after its device has left.
fn truncated() -> u64 {
    // SAFETY: a fresh file and a fresh mapping, checked.
    unsafe {
        let file = libc::memfd_create(c"short".as_ptr(), libc::MFD_CLOEXEC);
        assert!(file >= 0 && libc::ftruncate(file, 4096) == 0);
        let at = libc::mmap(std::ptr::null_mut(), 4096, 3, libc::MAP_SHARED, file, 0);
        assert_ne!(at, libc::MAP_FAILED);
        at.cast::<u64>().write(1);
        assert_eq!(libc::ftruncate(file, 0), 0);
        libc::close(file);
        at as u64
    }
}
