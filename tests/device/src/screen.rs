//! The application's end of an input device: where its pointer is and which buttons are down, as it was told.
//!
//! It believes nothing: a button that goes down twice, or up without having been down, a change that changes nothing, and what the
//! device has not, are panics.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use udrv::endpoint::input::{Frame, InputEndpoint, InputEndpointError, KEPT, Pointer, Shown};
use udrv_driver::{Buttons, InputInfo};

/// What it has come to.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Devices that were shown as new, in order.
    pub devices: Vec<InputInfo>,
    /// All changes, in order.
    pub frames: Vec<Frame>,
    /// Buttons that are down.
    pub down: Buttons,
    /// Where the pointer is, counts: to the right, down.
    pub at: (i64, i64),
    /// Where the wheels are, clicks: away from the user, to the right.
    pub turned: (i64, i64),
    /// The device's node was taken over: buttons may be told that are as they are.
    adopted: bool,
    /// From now on it takes nothing.
    full: bool,
}

/// See the module's text. Clones are the same screen.
#[derive(Debug, Clone, Default)]
pub struct Screen(Arc<Mutex<Picture>>);

impl Screen {
    fn open(&self) -> MutexGuard<'_, Picture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it shows.
    #[must_use]
    pub fn picture(&self) -> Picture {
        self.open().clone()
    }

    /// The changes since the last time.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        std::mem::take(&mut self.open().frames)
    }

    /// Buttons that are down.
    #[must_use]
    pub fn down(&self) -> Buttons {
        self.open().down
    }

    /// One that another process has left, with these buttons down.
    #[must_use]
    pub fn left_with(down: Buttons) -> Screen {
        let screen = Screen::default();
        (screen.open().down, screen.open().adopted) = (down, true);
        screen
    }

    /// It takes nothing any more.
    pub fn fill(&self) {
        self.open().full = true;
    }
}

/// What stands for its node.
static NODE: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").expect("it is there"));

impl InputEndpoint for Screen {
    fn to_keep(&self) -> Option<(&'static str, BorrowedFd<'_>)> {
        Some((KEPT, NODE.as_fd()))
    }

    fn name(&self) -> String {
        "screen".to_owned()
    }

    fn show(&mut self, pointer: &Pointer<'_>) -> Result<Shown, InputEndpointError> {
        let (mut picture, info) = (self.open(), pointer.info);
        let can = |info: &InputInfo| (info.buttons, info.wheel, info.pan);
        if picture.devices.last().is_some_and(|last| can(last) == can(&info)) {
            return Ok(Shown::Same);
        }
        picture.devices.push(info);
        if picture.adopted && picture.devices.len() == 1 {
            return Ok(Shown::Adopted);
        }
        picture.down = Buttons::NONE;
        Ok(Shown::New)
    }

    fn emit(&mut self, frame: &Frame) -> Result<(), InputEndpointError> {
        let mut picture = self.open();
        if picture.full {
            let source = std::io::Error::from_raw_os_error(28);
            return Err(InputEndpointError::System { operation: "writing to the screen", source });
        }
        let info = *picture.devices.last().expect("nothing is told of a device that is not shown");
        assert_ne!(*frame, Frame::default(), "a change that changes nothing");
        assert!(info.buttons.has(frame.press | frame.release), "{frame:?} of {info:?}");
        assert!((info.wheel || frame.wheel == 0) && (info.pan || frame.pan == 0), "{frame:?} of {info:?}");
        if !std::mem::take(&mut picture.adopted) {
            assert_eq!(picture.down.0 & frame.press.0, 0, "{frame:?}: it is down");
            assert!(picture.down.has(frame.release), "{frame:?}: it is up");
        }
        picture.down = Buttons(picture.down.0 & !frame.release.0 | frame.press.0);
        picture.at.0 += i64::from(frame.x);
        picture.at.1 += i64::from(frame.y);
        picture.turned.0 += i64::from(frame.wheel);
        picture.turned.1 += i64::from(frame.pan);
        picture.frames.push(*frame);
        Ok(())
    }
}
