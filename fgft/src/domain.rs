//! A domain: one protected party, its memory, and the life of its calls.
//!
//! ```text
//!   run -> code inside -> Ok  -> the caller validates -> commit   (live -> image)
//!                      -> Err(Fault)                  -> rollback (image -> live)
//! ```
//!
//! Two kinds of state are rolled back together: the *state* `S`, which code inside may write, and the
//! *ledger* `L`, which only the host writes (what it did for the call: registers shadowed, buffers lent).

use std::ffi::CString;
use std::mem::{ManuallyDrop, needs_drop};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};
use std::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::asm::{fgft_current, fgft_enter};
use crate::config::DomainConfig;
use crate::context::{Context, TrapRecord};
use crate::fault::{Fault, FaultKind};
use crate::image::{self, Images, Layout};
use crate::keys::Key;
use crate::memory::{PAGE, Reservation, pages, sealed_memfd, sealed_size};
use crate::panic::{PanicNote, leave_with_payload, panics_are_wrapped};
use crate::parts::name_parts;
use crate::regions::RegionName;
use crate::runtime::{self, InitError};
use crate::scene::Stack;
use crate::upcall::{DomainMemory, Service, Upcalls, serve};
use crate::watchdog;

/// Plain data: any bytes are a valid value, no padding, no pointers, no destructor. What rolls back and what crosses
/// the border of a domain is of this kind.
pub trait Plain: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + 'static {}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + 'static> Plain for T {}

/// Around the stack: larger than any single frame step that skips it without probing.
pub(crate) const GUARD: usize = 64 * 1024;
/// The result slot is the first part of the scratch area, the panic note the rest.
const RESULT_BYTES: usize = 1024;
const _: () = assert!(RESULT_BYTES + size_of::<PanicNote>() <= image::SCRATCH);

/// See the module's text.
pub struct Domain<S: Plain, L: Plain = ()> {
    context: Arc<Context>,
    pub(crate) images: Images,
    state: *mut S,
    ledger: *mut L,
    scratch: *mut u8,
    memory: DomainMemory,
    guard: Range<u64>,
    key: Option<Key>,
    /// A call has been run and neither committed nor rolled back.
    open: bool,
    /// An unprotected call has changed the state since the last image.
    stale: bool,
    max_upcalls: u32,
    /// Bytes of the stack that a fault keeps.
    stack_snapshot: usize,
    file: OwnedFd,
    /// What `regions` knows of the memory below.
    _names: Vec<RegionName>,
    // declared last: unmapped last
    file_mapping: Reservation,
    stack_mapping: Reservation,
}

// SAFETY: all pointers are into mappings that the domain owns.
unsafe impl<S: Plain, L: Plain> Send for Domain<S, L> {}

impl<S: Plain, L: Plain> Domain<S, L> {
    /// A domain whose state and ledger are committed as given.
    ///
    /// # Errors
    /// [`InitError`]: no memory, no protection key left, or [`crate::init`] fails.
    pub fn new(config: &DomainConfig, state: S, ledger: L) -> Result<Self, InitError> {
        runtime::init()?;
        let layout = Layout::new(config.images, size_of::<S>(), size_of::<L>());
        let name = CString::new(format!("fgft:{}", config.kind.name)).unwrap_or_default();
        let file = sealed_memfd(&name, layout.total).map_err(InitError::Memory)?;
        let mut domain = Self::build(config, layout, file, |base| {
            // SAFETY: `build` maps the whole file there and keeps it.
            unsafe { Images::create(base, layout, config.kind) }
        })?;
        // SAFETY: no call has run: nothing refers to either.
        unsafe {
            domain.state.write(state);
            domain.ledger.write(ledger);
        }
        domain.take_image();
        Ok(domain)
    }

    /// Takes over the last committed state and ledger from the memfd of an earlier domain (of a process that died,
    /// for example). The number of images is the file's.
    ///
    /// # Errors
    /// [`InitError::Image`] when it is not an image of this kind of state; else as for [`Domain::new`].
    pub fn adopt(config: &DomainConfig, file: OwnedFd) -> Result<Self, InitError> {
        Self::prepare_adoption(config, file)?.adopt()
    }

    /// The first half of [`Domain::adopt`], for one whose process still runs: it is mapped, and nothing of it is changed.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_adoption(config: &DomainConfig, file: OwnedFd) -> Result<Heir<S, L>, InitError> {
        runtime::init()?;
        let size = sealed_size(&file).map_err(|e| image::ImageError::NotAnImage(e.to_string()))?;
        let header = image::read_header(&file)?;
        let layout = Images::examine(&header, size, config.kind, size_of::<S>(), size_of::<L>())?;
        let domain = Self::build(config, layout, file, |base| {
            // SAFETY: `build` maps the whole file there and keeps it; the header was examined.
            unsafe { Images::adopt(base, layout) }
        })?;
        Ok(Heir(domain))
    }

    /// Gives each image a checksum from now on, so that [`Domain::adopt`] refuses one that was spoilt since. Between
    /// calls; it commits what is there. Costs some 100 ns for each commit of 3 KiB.
    pub fn set_checksums(&mut self, on: bool) {
        self.images.set_checked(on);
        self.commit();
        self.images.announce_checksums();
    }

    fn build(
        config: &DomainConfig,
        layout: Layout,
        file: OwnedFd,
        images: impl FnOnce(*mut u8) -> Images,
    ) -> Result<Self, InitError> {
        assert!(align_of::<S>() <= PAGE && align_of::<L>() <= image::ALIGNMENT);
        let memory = InitError::Memory;
        let key = if runtime::keys_in_use() { Some(Key::allocate().map_err(InitError::Keys)?) } else { None };
        // [guard][file: header, images, ledger][guard][state, scratch][guard]
        let own = layout.total - layout.state;
        let file_mapping = Reservation::new(GUARD + layout.state + GUARD + own + GUARD).map_err(memory)?;
        let host_part = file_mapping.open(GUARD, layout.state, Some((&file, 0))).map_err(memory)?;
        let own_at = GUARD + layout.state + GUARD;
        let state = file_mapping.open(own_at, own, Some((&file, layout.state))).map_err(memory)?;
        let stack_size = pages(config.stack_size.max(4 * PAGE));
        let stack_mapping = Reservation::new(GUARD + stack_size + GUARD).map_err(memory)?;
        let stack = stack_mapping.open(GUARD, stack_size, None).map_err(memory)?;
        if let Some(key) = key {
            key.tag(state, own).map_err(memory)?;
            key.tag(stack, stack_size).map_err(memory)?;
        }
        let at = |p: *mut u8, offset: usize| p as u64 + offset as u64;
        let scratch = file_mapping.at(own_at + layout.scratch - layout.state);
        let context = Arc::new(Context {
            saved_rsp: AtomicU64::new(0),
            driver_rsp: AtomicU64::new(0),
            driver_rbp: AtomicU64::new(0),
            stack_top: at(stack, stack_size),
            closed_pkru: key.map_or(0, Key::closed_pkru),
            use_pkru: u32::from(key.is_some()),
            inside: AtomicU32::new(0),
            left: AtomicU32::new(0),
            sequence: AtomicU64::new(0),
            kill: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            deadline: AtomicU64::new(config.deadline.as_nanos() as u64),
            panic_note: AtomicU64::new(at(scratch, RESULT_BYTES)),
            upcall: None.into(),
            upcall_data: std::ptr::null_mut::<()>().into(),
            trap: TrapRecord::default().into(),
        });
        watchdog::watch(&context);
        let names = name_parts(config.kind.name, &layout, &file_mapping, &stack_mapping, stack_size);
        Ok(Domain {
            images: images(host_part),
            state: state.cast(),
            ledger: file_mapping.at(GUARD + layout.ledger).cast(),
            scratch,
            memory: DomainMemory {
                ranges: [at(stack, 0)..at(stack, stack_size), at(state, 0)..at(state, layout.scratch - layout.state)],
            },
            guard: at(stack, 0) - GUARD as u64..at(stack, 0),
            context,
            key,
            open: false,
            stale: false,
            max_upcalls: config.max_upcalls,
            stack_snapshot: config.stack_snapshot,
            file,
            _names: names,
            file_mapping,
            stack_mapping,
        })
    }

    /// Begins a call before [`Domain::run`] does: what the host changes in the ledger between the two (what it lends to
    /// the call, for example) is part of the call, and a rollback takes it back.
    ///
    /// Rolls back a call that is still open, and takes the image that unprotected calls have made necessary.
    #[inline]
    pub fn prepare(&mut self) {
        if self.open {
            self.rollback();
        }
        if self.stale {
            self.take_image();
        }
    }

    /// Runs `f` inside: on the domain's stack, able to write only the domain's memory. Its upcalls go to `host`.
    /// Follow with [`Domain::commit`] or [`Domain::rollback`]; a call that is still open is rolled back first.
    ///
    /// # Errors
    /// [`Fault`]: what ended the call early. State and ledger are as the failed call left them until the
    /// rollback.
    ///
    /// # Safety
    /// `f` may be abandoned at any instruction, with nothing on its stack dropped: it must not hold what others
    /// rely on being released (locks, scoped threads). It must write no host memory (with protection keys that is
    /// a contained fault, without them it is undefined). It must not keep references into the state beyond
    /// the call, and must not unwind.
    pub unsafe fn run<H, R, F>(&mut self, host: &mut H, f: F) -> Result<R, Fault>
    where
        H: Upcalls<L>,
        R: Plain,
        F: FnOnce(&mut S) -> R,
    {
        const {
            assert!(!needs_drop::<F>(), "what the closure captures would not be dropped when the call faults");
            assert!(size_of::<R>() <= RESULT_BYTES && align_of::<R>() <= 64, "results are limited to 1 KiB");
        }
        // SAFETY: asks for the thread-local only.
        if unsafe { !fgft_current().is_null() } {
            return Err(FaultKind::Reentered.into());
        }
        self.prepare();
        if let Err(error) = runtime::attach(self.key) {
            // a thread that cannot take traps must not enter
            return Err(FaultKind::Refused { reason: error.to_string() }.into());
        }
        let mut service = Service {
            host,
            ledger: self.ledger,
            memory: self.memory.clone(),
            max_upcalls: self.max_upcalls,
            upcalls: 0,
            refusal: None,
        };
        let mut frame = Frame { f: ManuallyDrop::new(f), state: self.state, result: self.scratch.cast::<R>() };
        let context = &*self.context;
        context.left.store(0, Relaxed);
        context.thread.store(runtime::thread_id(), Relaxed);
        self.open = true;
        // SAFETY: the cells belong to this thread while it runs the call; `service` and `frame` outlive it; the
        // note is ours between calls. `f` is the caller's promise.
        let left = unsafe {
            (*context.trap.get()).forget();
            (*self.note()).clear();
            *context.upcall.get() = Some(serve::<H, L>);
            *context.upcall_data.get() = (&raw mut service).cast();
            let sequence = watchdog::begin(context);
            let left = fgft_enter(context, foot::<S, R, F>, (&raw mut frame).cast());
            watchdog::end(context, sequence);
            *context.upcall.get() = None;
            left
        };
        if left == 0 {
            // SAFETY: code inside wrote it or did not: any bytes are a value of R.
            Ok(unsafe { self.scratch.cast::<R>().read() })
        } else {
            // SAFETY: the call has ended: the note and the stack are ours.
            Err(unsafe {
                let stack = Stack::of(context, &self.memory.ranges[0], &self.guard, self.stack_snapshot);
                Fault::collect(context, &self.guard, &*self.note(), service.refusal, stack)
            })
        }
    }

    /// Runs `f` as a plain call, unprotected, with the ledger at hand. What it changes stays; the next protected call
    /// takes an image first.
    pub fn run_unprotected<R>(&mut self, f: impl FnOnce(&mut S, &mut L) -> R) -> R {
        if self.open {
            self.rollback();
        }
        self.stale = true;
        // SAFETY: no call is under way and `self` is borrowed: these are the only references.
        unsafe { f(&mut *self.state, &mut *self.ledger) }
    }

    /// Makes what the last call did to state and ledger the state to come back to.
    #[inline]
    pub fn commit(&mut self) {
        self.open = false;
        self.take_image();
    }

    /// Puts state and ledger back to the last commit, or to the generation of a [`Domain::rollback_to`] since.
    #[inline]
    pub fn rollback(&mut self) {
        self.open = false;
        if !self.stale {
            self.restore_image();
        }
    }

    /// As `rollback`, and what an unprotected call has changed goes too.
    pub(crate) fn discard(&mut self) {
        self.stale = false;
        self.rollback();
    }

    /// The state as it is now.
    #[must_use]
    pub fn state(&self) -> S {
        // SAFETY: plain data, no call under way (it would hold `self`).
        unsafe { self.state.read() }
    }

    /// The ledger as it is now.
    #[must_use]
    pub fn ledger(&self) -> &L {
        // SAFETY: host memory; calls and `ledger_mut` hold `self`.
        unsafe { &*self.ledger }
    }

    /// The ledger, to change as part of the call that is open, or of the next one after [`Domain::prepare`] (else the
    /// next commit keeps it).
    pub fn ledger_mut(&mut self) -> &mut L {
        // SAFETY: as in `ledger`, exclusively.
        unsafe { &mut *self.ledger }
    }

    /// The ledger that a rollback would put back.
    #[must_use]
    pub fn committed_ledger(&self) -> &L {
        // SAFETY: an image holds a valid ledger at 64-byte alignment; commits hold `self`.
        unsafe { &*self.images.committed_ledger().cast::<L>() }
    }

    /// How many commits there were, over all processes that had this memfd: the number of the newest generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.images.newest()
    }

    /// Changes the CPU time that one call may use.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.context.deadline.store(deadline.as_nanos() as u64, Relaxed);
    }

    /// Memory that code inside may write.
    #[must_use]
    pub fn memory(&self) -> &DomainMemory {
        &self.memory
    }

    pub(crate) fn stack_bytes(&self) -> usize {
        let [stack, _] = &self.memory.ranges;
        (stack.end - stack.start) as usize
    }

    fn note(&self) -> *mut PanicNote {
        self.scratch.wrapping_add(RESULT_BYTES).cast()
    }

    fn take_image(&mut self) {
        self.stale = false;
        // SAFETY: the live parts; no call is under way.
        unsafe { self.images.commit(self.state.cast(), self.ledger.cast()) }
    }

    fn restore_image(&mut self) {
        // SAFETY: the live parts; no call is under way and no reference is out.
        unsafe { self.images.restore(self.state.cast(), self.ledger.cast()) }
    }
}

/// A domain of a process that may still run, mapped: see [`Domain::prepare_adoption`].
pub struct Heir<S: Plain, L: Plain = ()>(Domain<S, L>);

impl<S: Plain, L: Plain> Heir<S, L> {
    /// Has its memory at hand, so that the first who uses it does not wait for pages. Changes nothing.
    pub fn touch(&self) {
        let Layout { state, total, .. } = self.0.images.layout;
        self.0.file_mapping.touch(GUARD, state);
        self.0.file_mapping.touch(GUARD + state + GUARD, total - state);
        let stack = &self.0.memory.ranges[0];
        self.0.stack_mapping.touch(GUARD, (stack.end - stack.start) as usize);
    }

    /// Takes over the last committed state and ledger. The process before must not run any more, or have let go.
    ///
    /// # Errors
    /// [`InitError::Image`]: the last image was spoilt.
    pub fn adopt(self) -> Result<Domain<S, L>, InitError> {
        let Heir(mut domain) = self;
        domain.images.catch_up()?;
        if !domain.images.is_right() {
            return Err(image::ImageError::Spoilt.into());
        }
        domain.restore_image();
        Ok(domain)
    }
}

/// The memfd that holds the images, to be kept for a successor.
impl<S: Plain, L: Plain> AsFd for Domain<S, L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl<S: Plain, L: Plain> Drop for Domain<S, L> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // Memory that carries the key is unmapped right after, before anyone can be given the key and enter; a
            // signal stack that carries it is tagged anew when its thread enters another domain.
            key.free();
        }
    }
}

impl<S: Plain, L: Plain> std::fmt::Debug for Domain<S, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Domain").field("key", &self.key).field("generation", &self.generation()).finish_non_exhaustive()
    }
}

struct Frame<S, R, F> {
    f: ManuallyDrop<F>,
    state: *mut S,
    result: *mut R,
}

/// The first function on the driver's stack. `frame` is on the host's: readable, not writable.
unsafe extern "C" fn foot<S: Plain, R: Plain, F: FnOnce(&mut S) -> R>(frame: *mut u8) {
    // SAFETY: `run` passes its frame, once; the state is this call's alone.
    let (f, state, result) = unsafe {
        let frame = frame.cast::<Frame<S, R, F>>();
        (std::ptr::read(&*(*frame).f), &mut *(*frame).state, (*frame).result)
    };
    if crate::runtime::keys_in_use() || panics_are_wrapped() {
        // SAFETY: the result slot is the domain's memory.
        unsafe { result.write(f(state)) };
        return;
    }
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(state))) {
        // SAFETY: as above.
        Ok(value) => unsafe { result.write(value) },
        Err(payload) => leave_with_payload(payload),
    }
}
