//! What of libasound the crate `alsa` lacks: elements of one's own on a card's control interface, the timers of PCM
//! subdevices, and descriptors with a lifetime.
//!
//! Nothing here knows what the elements and timers are for. All functions of libasound that are called return 0 or more, or a negative
//! errno; none keeps a pointer that it is given beyond the call, but for the handles themselves.
#![allow(unsafe_code)] // bindings of a C library

use std::{
    ffi::{CStr, CString, c_int, c_long, c_uint},
    io,
    mem::size_of,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
};

use alsa::{Ctl, PCM, poll::Descriptors};
use alsa_sys as c;
use nix::poll::PollFlags;

/// 0 or more, or errno.
fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

/// What a function that makes something has put into `pointer`.
fn made<T>(result: c_int, pointer: *mut T) -> io::Result<NonNull<T>> {
    checked(result)?;
    NonNull::new(pointer).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// What to wait for at a control interface.
pub(super) fn ctl_descriptors(ctl: &Ctl) -> Vec<(BorrowedFd<'_>, PollFlags)> {
    // SAFETY: libasound closes these when the handle is dropped, which the lifetime outlives.
    unsafe { lent(&ctl.get().unwrap_or_default()) }
}

/// What to wait for at a PCM.
pub(super) fn pcm_descriptors(pcm: &PCM) -> Vec<(BorrowedFd<'_>, PollFlags)> {
    // SAFETY: as above; with plugins between they are those of the PCM at the bottom, which lives as long.
    unsafe { lent(&pcm.get().unwrap_or_default()) }
}

/// # Safety
/// All of them are open for `'a`.
unsafe fn lent<'a>(list: &[libc::pollfd]) -> Vec<(BorrowedFd<'a>, PollFlags)> {
    let open = list.iter().filter(|at| at.fd >= 0);
    // SAFETY: by the contract they are open, and -1 is not among them.
    open.map(|at| (unsafe { BorrowedFd::borrow_raw(at.fd) }, PollFlags::from_bits_truncate(at.events))).collect()
}

/// Where on a card an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among the volumes and switches that mixers show.
    Mixer,
    /// What the card has beside: mixers do not show it.
    Card,
}

/// What an element's values are.
#[derive(Debug)]
pub(super) enum Values<'a> {
    /// 0 to this.
    Integer(u16),
    /// Off or on.
    Boolean,
    /// One of these.
    Enumerated(&'a [CString]),
}

/// An element that is there.
#[derive(Debug)]
pub(super) struct Element {
    /// A process has made it, not the card's driver.
    pub(super) is_user: bool,
    /// The process that keeps others from writing it.
    pub(super) locked_by: Option<u32>,
    /// The names of its values, if they have names.
    pub(super) items: Vec<String>,
}

/// A handle on a card's control interface that owns elements.
#[derive(Debug)]
pub(super) struct Elements(NonNull<c::snd_ctl_t>);

// SAFETY: libasound's handles belong to no thread; this one is used by one at a time, for it is not `Sync` and not cloned.
unsafe impl Send for Elements {}

impl Elements {
    /// Of the card with this index.
    pub(super) fn open(card: u32) -> io::Result<Self> {
        let name = CString::new(format!("hw:{card}"))?;
        let mut handle = ptr::null_mut();
        // SAFETY: both pointers are good for the call, and the name ends with a nul.
        let result = unsafe { c::snd_ctl_open(&raw mut handle, name.as_ptr(), c::SND_CTL_NONBLOCK as c_int) };
        made(result, handle).map(Elements)
    }

    /// Makes an element. It is locked to this handle until [`Elements::unlock`]. With `levels` it can be told its levels.
    pub(super) fn add(
        &self,
        place: Place,
        name: &CStr,
        values: &Values<'_>,
        channels: u32,
        levels: bool,
    ) -> io::Result<()> {
        let (info, ctl) = (Info::new(place, name)?, self.0.as_ptr());
        let at = info.0.as_ptr();
        // SAFETY: `at` is an info of libasound's own making, alive until `info` is dropped.
        unsafe {
            c::snd_ctl_elem_info_set_read_write(at, 1, 1);
            c::snd_ctl_elem_info_set_tlv_read_write(at, levels.into(), levels.into());
        }
        // SAFETY: handle and info are alive; `labels` has as many pointers to strings with a nul as is said, and they are
        // read during the call only.
        checked(unsafe {
            match values {
                Values::Integer(max) => c::snd_ctl_add_integer_elem_set(ctl, at, 1, channels, 0, c_long::from(*max), 1),
                Values::Boolean => c::snd_ctl_add_boolean_elem_set(ctl, at, 1, channels),
                Values::Enumerated(names) => {
                    let labels: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
                    c::snd_ctl_add_enumerated_elem_set(ctl, at, 1, channels, labels.len() as c_uint, labels.as_ptr())
                }
            }
        })?;
        Ok(())
    }

    /// Tells an element its levels: a TLV, with the length of what follows, in bytes, as its second word.
    pub(super) fn set_levels(&self, place: Place, name: &CStr, tlv: &[u32; 4]) -> io::Result<()> {
        let id = Id::new(place, name)?;
        debug_assert_eq!(tlv[1], 8, "two words follow the length");
        // SAFETY: handle and id are alive; as many bytes as `tlv[1]` says follow it in the array.
        checked(unsafe { c::snd_ctl_elem_tlv_write(self.0.as_ptr(), id.0.as_ptr(), tlv.as_ptr()) })?;
        Ok(())
    }

    /// Lets others write an element.
    pub(super) fn unlock(&self, place: Place, name: &CStr) -> io::Result<()> {
        let id = Id::new(place, name)?;
        // SAFETY: handle and id are alive.
        checked(unsafe { c::snd_ctl_elem_unlock(self.0.as_ptr(), id.0.as_ptr()) })?;
        Ok(())
    }

    /// Removes an element that a process has made and nobody else has locked.
    pub(super) fn remove(&self, place: Place, name: &CStr) -> io::Result<()> {
        let id = Id::new(place, name)?;
        // SAFETY: handle and id are alive.
        checked(unsafe { c::snd_ctl_elem_remove(self.0.as_ptr(), id.0.as_ptr()) })?;
        Ok(())
    }

    /// What there is under a name. `None`: nothing.
    pub(super) fn look(&self, place: Place, name: &CStr) -> io::Result<Option<Element>> {
        let info = Info::new(place, name)?;
        if !info.ask(self)? {
            return Ok(None);
        }
        let at = info.0.as_ptr();
        // SAFETY: the info is alive, and the kernel has filled it.
        let (is_user, is_locked, owner) = unsafe {
            (
                c::snd_ctl_elem_info_is_user(at) != 0,
                c::snd_ctl_elem_info_is_locked(at) != 0,
                c::snd_ctl_elem_info_get_owner(at),
            )
        };
        let locked_by = if is_locked { Some(u32::try_from(owner).unwrap_or(0)) } else { None };
        Ok(Some(Element { is_user, locked_by, items: info.items(self)? }))
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        // SAFETY: open, and nobody has it after this.
        unsafe { c::snd_ctl_close(self.0.as_ptr()) };
    }
}

fn interface(place: Place) -> c::snd_ctl_elem_iface_t {
    match place {
        Place::Mixer => c::SND_CTL_ELEM_IFACE_MIXER,
        Place::Card => c::SND_CTL_ELEM_IFACE_CARD,
    }
}

/// The name of an element, as libasound keeps it.
struct Id(NonNull<c::snd_ctl_elem_id_t>);

impl Id {
    fn new(place: Place, name: &CStr) -> io::Result<Id> {
        let mut id = ptr::null_mut();
        // SAFETY: the pointer is good for the call.
        let id = Id(made(unsafe { c::snd_ctl_elem_id_malloc(&raw mut id) }, id)?);
        // SAFETY: the id is alive and zeroed by libasound; the name ends with a nul and is copied, as much as there is room.
        unsafe {
            c::snd_ctl_elem_id_set_interface(id.0.as_ptr(), interface(place));
            c::snd_ctl_elem_id_set_name(id.0.as_ptr(), name.as_ptr());
        }
        Ok(id)
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        // SAFETY: made by `snd_ctl_elem_id_malloc`, freed once.
        unsafe { c::snd_ctl_elem_id_free(self.0.as_ptr()) };
    }
}

/// What an element is, as libasound keeps it.
struct Info(NonNull<c::snd_ctl_elem_info_t>);

impl Info {
    fn new(place: Place, name: &CStr) -> io::Result<Info> {
        let mut info = ptr::null_mut();
        // SAFETY: the pointer is good for the call.
        let info = Info(made(unsafe { c::snd_ctl_elem_info_malloc(&raw mut info) }, info)?);
        // SAFETY: as in `Id::new`.
        unsafe {
            c::snd_ctl_elem_info_set_interface(info.0.as_ptr(), interface(place));
            c::snd_ctl_elem_info_set_name(info.0.as_ptr(), name.as_ptr());
        }
        Ok(info)
    }

    /// Has the kernel fill it; whether there is such an element.
    fn ask(&self, of: &Elements) -> io::Result<bool> {
        // SAFETY: handle and info are alive.
        match checked(unsafe { c::snd_ctl_elem_info(of.0.as_ptr(), self.0.as_ptr()) }) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn items(&self, of: &Elements) -> io::Result<Vec<String>> {
        let at = self.0.as_ptr();
        let mut items = Vec::new();
        // SAFETY: the info is alive and filled; only of an enumerated one may the number of items be asked.
        let count = unsafe {
            if c::snd_ctl_elem_info_get_type(at) == c::SND_CTL_ELEM_TYPE_ENUMERATED {
                c::snd_ctl_elem_info_get_items(at)
            } else {
                0
            }
        };
        for item in 0..count {
            // SAFETY: the info is alive; the kernel fills in the name of the item that was set.
            unsafe { c::snd_ctl_elem_info_set_item(at, item) };
            if !self.ask(of)? {
                break;
            }
            // SAFETY: the name is within the info and ends with a nul; it is copied before the info changes.
            items
                .push(unsafe { CStr::from_ptr(c::snd_ctl_elem_info_get_item_name(at)) }.to_string_lossy().into_owned());
        }
        Ok(items)
    }
}

impl Drop for Info {
    fn drop(&mut self) {
        // SAFETY: made by `snd_ctl_elem_info_malloc`, freed once.
        unsafe { c::snd_ctl_elem_info_free(self.0.as_ptr()) };
    }
}

/// The timer of a PCM subdevice, which tells when whoever has that subdevice starts and stops it.
#[derive(Debug)]
pub(super) struct Timer(NonNull<c::snd_timer_t>);

// SAFETY: as for `Elements`.
unsafe impl Send for Timer {}

impl Timer {
    /// Begins to listen to the capture side of a subdevice of the card's device 0.
    pub(super) fn of_capture(card: u32, subdevice: u32) -> io::Result<Self> {
        // the lowest bit of a PCM timer's subdevice is the direction, capture being 1
        let (class, number) = (c::SND_TIMER_CLASS_PCM, subdevice << 1 | 1);
        let name = CString::new(format!("hw:CLASS={class},SCLASS=0,CARD={card},DEV=0,SUBDEV={number}"))?;
        let mode = (c::SND_TIMER_OPEN_NONBLOCK | c::SND_TIMER_OPEN_TREAD) as c_int;
        let mut handle = ptr::null_mut();
        // SAFETY: both pointers are good for the call, and the name ends with a nul.
        let timer = Timer(made(unsafe { c::snd_timer_open(&raw mut handle, name.as_ptr(), mode) }, handle)?);
        let mut params = ptr::null_mut();
        // SAFETY: the pointer is good for the call.
        let params = made(unsafe { c::snd_timer_params_malloc(&raw mut params) }, params)?;
        // all that the owner of the subdevice does, and no ticks: they would be one event for each of its periods
        let events = [c::SND_TIMER_EVENT_MSTART, c::SND_TIMER_EVENT_MSTOP, c::SND_TIMER_EVENT_MCONTINUE];
        let more = [c::SND_TIMER_EVENT_MPAUSE, c::SND_TIMER_EVENT_MSUSPEND, c::SND_TIMER_EVENT_MRESUME];
        let filter = events.iter().chain(&more).fold(0, |filter, event| filter | 1 << event);
        // SAFETY: timer and params are alive, and the params are freed once, after their last use.
        let started = unsafe {
            c::snd_timer_params_set_auto_start(params.as_ptr(), 1);
            c::snd_timer_params_set_ticks(params.as_ptr(), 1);
            c::snd_timer_params_set_filter(params.as_ptr(), filter);
            let set = checked(c::snd_timer_params(timer.0.as_ptr(), params.as_ptr()));
            c::snd_timer_params_free(params.as_ptr());
            set.and_then(|_| checked(c::snd_timer_start(timer.0.as_ptr())))
        };
        started.map(|_| timer)
    }

    /// The next thing that has happened: whether the subdevice runs from then on. `None`: nothing more.
    pub(super) fn next(&self) -> io::Result<Option<bool>> {
        // SAFETY: all of it are numbers, for which zero is good.
        let mut event: c::snd_timer_tread_t = unsafe { std::mem::zeroed() };
        let size = size_of::<c::snd_timer_tread_t>();
        // SAFETY: the timer is alive, and there is room for one event.
        let got = unsafe { c::snd_timer_read(self.0.as_ptr(), (&raw mut event).cast(), size) };
        match usize::try_from(got) {
            Ok(len) if len == size => Ok(Some(runs_after(event.event))),
            Ok(_) => Ok(None),
            Err(_) if got == -(libc::EAGAIN as isize) => Ok(None),
            Err(_) => Err(io::Error::from_raw_os_error(-got as i32)),
        }
    }

    /// What to wait for.
    pub(super) fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let at = self.0.as_ptr();
        // SAFETY: the timer is alive.
        let count = unsafe { c::snd_timer_poll_descriptors_count(at) };
        let mut list = vec![libc::pollfd { fd: -1, events: 0, revents: 0 }; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the list has the room that is said.
        let filled = unsafe { c::snd_timer_poll_descriptors(at, list.as_mut_ptr(), list.len() as c_uint) };
        list.truncate(usize::try_from(filled).unwrap_or(0));
        // SAFETY: libasound closes them when the timer is dropped, which the lifetime outlives.
        unsafe { lent(&list) }
    }
}

fn runs_after(event: c::snd_timer_event_t) -> bool {
    matches!(event, c::SND_TIMER_EVENT_MSTART | c::SND_TIMER_EVENT_MCONTINUE | c::SND_TIMER_EVENT_MRESUME)
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: open, and nobody has it after this.
        unsafe { c::snd_timer_close(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_outside_of_the_kernel_is_made_and_freed() {
        for place in [Place::Mixer, Place::Card] {
            for name in
                [c"", c"Master Playback Volume", c"a name of many more bytes than any element of ALSA may ever have"]
            {
                Id::new(place, name).unwrap();
                Info::new(place, name).unwrap();
            }
        }
    }

    #[test]
    fn a_card_that_is_not_there_is_an_error() {
        super::super::hush();
        let error = Elements::open(1000).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)), "{error}");
        assert!(Timer::of_capture(1000, 0).is_err());
    }

    #[test]
    fn events_tell_whether_it_runs() {
        for (event, runs) in [(12, true), (13, false), (14, true), (15, false), (17, false), (18, true), (0, false)] {
            assert_eq!(runs_after(event), runs, "{event}");
        }
    }
}
