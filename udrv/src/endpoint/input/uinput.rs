//! A device node: `/dev/input/eventN`, made through uinput, which any desktop takes for a mouse.
//!
//! It has the device's own buttons and axes, and the ids that Linux's own driver gives a mouse with these. It stays through
//! recoveries and restarts of the driver; another one is made only when the device is another, with other buttons or axes. What
//! the kernel is told of a change goes in one write, so nobody sees half of it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use evdev::{BusType, EventType, KeyCode, PropType, RelativeAxisCode, SynchronizationCode};
use udrv_driver::Buttons;
use zerocopy::{Immutable, IntoBytes};

use super::{Frame, InputEndpoint, InputEndpointError, KEPT, NAMES, Pointer, Shown, adopt, sys};

/// Where devices of uinput are made.
const NODE: &str = "/dev/uinput";
/// Where they are to be seen.
const SYSFS: &str = "/sys/devices/virtual/input";
/// The longest name, bytes: `UINPUT_MAX_NAME_SIZE` without its NUL.
const LONGEST_NAME: usize = 79;
/// Vendor of PS/2 devices, and which of them it is, as Linux's psmouse counts its protocols: bare, with a wheel, with five buttons.
const VENDOR: u16 = 2;
/// See [`VENDOR`].
const PRODUCTS: [u16; 3] = [1, 5, 6];
/// Parts of a click in the fine axes of the wheel (`REL_WHEEL_HI_RES`).
const CLICK: i32 = 120;
/// Events of a frame, at most: buttons, two axes, two wheels twice, and the end.
const MOST_EVENTS: usize = NAMES.len() + 2 + 4 + 1;

/// The kernel's names of the buttons, in the order of [`NAMES`].
const KEYS: [KeyCode; NAMES.len()] =
    [KeyCode::BTN_LEFT, KeyCode::BTN_RIGHT, KeyCode::BTN_MIDDLE, KeyCode::BTN_SIDE, KeyCode::BTN_EXTRA];

/// What a device node is made to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) phys: String,
    buttons: Buttons,
    wheel: bool,
    pan: bool,
}

impl Shape {
    /// For a device, under this name or its own.
    pub(super) fn of(name: Option<&str>, pointer: &Pointer<'_>) -> Shape {
        let info = &pointer.info;
        let mut name = name.map_or_else(|| format!("{} {}", info.protocol, info.name), str::to_owned);
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        let phys = format!("udrv/{}/input0", pointer.device);
        let Pointer { info, .. } = pointer;
        Shape { name, phys, buttons: info.buttons, wheel: info.wheel, pan: info.pan }
    }

    /// Whether applications could tell it from `other` by what it can do.
    fn can_the_same(&self, other: &Shape) -> bool {
        (self.buttons, self.wheel, self.pan) == (other.buttons, other.wheel, other.pan)
    }

    fn key_codes(&self) -> impl Iterator<Item = KeyCode> {
        let has = |((button, _), key): ((Buttons, &str), KeyCode)| self.buttons.has(button).then_some(key);
        NAMES.into_iter().zip(KEYS).filter_map(has)
    }

    fn axis_codes(&self) -> impl Iterator<Item = RelativeAxisCode> {
        use RelativeAxisCode as Axis;
        let all = [
            (true, Axis::REL_X),
            (true, Axis::REL_Y),
            (self.wheel, Axis::REL_WHEEL),
            (self.wheel, Axis::REL_WHEEL_HI_RES),
            (self.pan, Axis::REL_HWHEEL),
            (self.pan, Axis::REL_HWHEEL_HI_RES),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, axis)| axis)
    }

    /// Numbers of its buttons.
    pub(super) fn keys(&self) -> BTreeSet<u16> {
        self.key_codes().map(|key| key.0).collect()
    }

    /// Numbers of its axes.
    pub(super) fn axes(&self) -> BTreeSet<u16> {
        self.axis_codes().map(|axis| axis.0).collect()
    }

    /// Numbers of its properties.
    #[expect(clippy::unused_self, reason = "it is one of three")]
    pub(super) fn properties(&self) -> BTreeSet<u16> {
        BTreeSet::from([PropType::POINTER.0])
    }

    fn product(&self) -> u16 {
        let [bare, wheel, five] = PRODUCTS;
        match (self.buttons.has(Buttons::SIDE), self.wheel) {
            (true, _) => five,
            (false, true) => wheel,
            (false, false) => bare,
        }
    }

    fn make(&self) -> io::Result<File> {
        let file = File::options().read(true).write(true).open(NODE)?;
        let (name, phys) = (CString::new(self.name.as_str())?, CString::new(self.phys.as_str())?);
        let making = sys::Making {
            name: &name,
            phys: &phys,
            id: [BusType::BUS_I8042.0, VENDOR, self.product(), 0],
            keys: &mut self.keys().into_iter(),
            axes: &mut self.axes().into_iter(),
            properties: &mut self.properties().into_iter(),
        };
        sys::make(&file, making)?;
        Ok(file)
    }
}

/// A device that is there.
#[derive(Debug)]
struct Device {
    file: File,
    shape: Shape,
    /// `/dev/input/event5`, or as near to it as is known.
    shown_as: String,
}

/// See the module's text.
#[derive(Debug)]
pub struct Uinput {
    name: Option<String>,
    kept: Option<OwnedFd>,
    device: Option<Device>,
}

impl Uinput {
    /// Gets ready to make a device node, of this name or the device's own. `kept` is one that another process has made and left, to
    /// be taken over if it fits.
    ///
    /// # Errors
    /// The name cannot be one, or nobody may make device nodes here.
    pub fn open(name: Option<String>, kept: Option<OwnedFd>) -> Result<Uinput, InputEndpointError> {
        if let Some(name) = &name {
            check_name(name)?;
        }
        // whoever has been left one need not be allowed to make another
        if kept.is_none() {
            File::options().read(true).write(true).open(NODE).map_err(refused)?;
        }
        Ok(Uinput { name, kept, device: None })
    }

    /// Takes over what was kept, if it fits.
    fn adopt(&mut self, shape: &Shape) -> Option<Device> {
        let kept = self.kept.take()?;
        match adopt::look(&kept, shape, Path::new(SYSFS)) {
            Ok(sysname) => {
                let shown_as = event_node(&sysname);
                tracing::info!(node = %shown_as, "the device node of the last process is taken over");
                Some(Device { file: kept.into(), shape: shape.clone(), shown_as })
            }
            Err(why) => {
                tracing::warn!(why, "the device node of the last process is not taken over, and another is made");
                None
            }
        }
    }
}

impl InputEndpoint for Uinput {
    fn name(&self) -> String {
        self.device.as_ref().map_or_else(|| NODE.to_owned(), |device| device.shown_as.clone())
    }

    fn show(&mut self, pointer: &Pointer<'_>) -> Result<Shown, InputEndpointError> {
        let shape = Shape::of(self.name.as_deref(), pointer);
        if self.device.as_ref().is_some_and(|device| device.shape.can_the_same(&shape)) {
            return Ok(Shown::Same);
        }
        // the kernel lets the buttons of one that leaves go
        self.device = None;
        if let Some(device) = self.adopt(&shape) {
            self.device = Some(device);
            return Ok(Shown::Adopted);
        }
        let file = shape.make().map_err(refused)?;
        let sysname = sys::sysname(file.as_fd());
        let sysname = sysname
            .map_err(|source| InputEndpointError::System { operation: "asking for the device's name", source })?;
        self.device = Some(Device { file, shape, shown_as: event_node(&sysname) });
        Ok(Shown::New)
    }

    fn emit(&mut self, frame: &Frame) -> Result<(), InputEndpointError> {
        let Some(device) = &mut self.device else { return Ok(()) };
        let failed = |source| InputEndpointError::System { operation: "writing events to /dev/uinput", source };
        let events = events(frame);
        let bytes = events.as_bytes();
        let written = device.file.write(bytes).map_err(failed)?;
        if written == bytes.len() { Ok(()) } else { Err(failed(io::ErrorKind::WriteZero.into())) }
    }

    fn to_keep(&self) -> Option<(&'static str, BorrowedFd<'_>)> {
        Some((KEPT, self.device.as_ref()?.file.as_fd()))
    }
}

/// `struct input_event`: the kernel fills the time in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
struct Event {
    time: [usize; 2],
    kind: u16,
    code: u16,
    value: i32,
}

/// The events of a frame, and the one that ends it.
fn events(frame: &Frame) -> Vec<Event> {
    let mut all = Vec::with_capacity(MOST_EVENTS);
    let mut add = |kind: EventType, code: u16, value: i32| all.push(Event { time: [0; 2], kind: kind.0, code, value });
    for ((button, _), key) in NAMES.into_iter().zip(KEYS) {
        for (which, value) in [(frame.press, 1), (frame.release, 0)] {
            if which.has(button) {
                add(EventType::KEY, key.0, value);
            }
        }
    }
    for (axis, value) in [
        (RelativeAxisCode::REL_X, i32::from(frame.x)),
        (RelativeAxisCode::REL_Y, i32::from(frame.y)),
        (RelativeAxisCode::REL_WHEEL, i32::from(frame.wheel)),
        (RelativeAxisCode::REL_WHEEL_HI_RES, CLICK * i32::from(frame.wheel)),
        (RelativeAxisCode::REL_HWHEEL, i32::from(frame.pan)),
        (RelativeAxisCode::REL_HWHEEL_HI_RES, CLICK * i32::from(frame.pan)),
    ] {
        if value != 0 {
            add(EventType::RELATIVE, axis.0, value);
        }
    }
    add(EventType::SYNCHRONIZATION, SynchronizationCode::SYN_REPORT.0, 0);
    all
}

/// The node of a device, as far as it is to be found: without the module evdev it has none.
fn event_node(sysname: &str) -> String {
    let entries = std::fs::read_dir(Path::new(SYSFS).join(sysname)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let node = names.into_iter().find(|name| name.starts_with("event"));
    node.map_or_else(
        || {
            tracing::warn!(device = sysname, "it has no node in /dev/input; as root: modprobe evdev");
            sysname.to_owned()
        },
        |node| format!("/dev/input/{node}"),
    )
}

fn check_name(name: &str) -> Result<(), InputEndpointError> {
    let wrong = |why| Err(InputEndpointError::BadName { name: name.to_owned(), why });
    match name {
        "" => wrong("it is empty"),
        name if name.len() > LONGEST_NAME => wrong("it is longer than 79 bytes"),
        name if name.chars().any(char::is_control) => wrong("it has control characters in it"),
        _ => Ok(()),
    }
}

/// What it means that uinput cannot be used.
fn refused(source: io::Error) -> InputEndpointError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => InputEndpointError::NoUinput(PathBuf::from(NODE)),
        Some(libc::EACCES | libc::EPERM) => InputEndpointError::NoPermission(PathBuf::from(NODE)),
        _ => InputEndpointError::System { operation: "making a device through /dev/uinput", source },
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::InputInfo;

    use super::*;

    fn shape(buttons: Buttons, wheel: bool) -> Shape {
        let info = InputInfo {
            name: "IntelliMouse Explorer",
            protocol: "ImExPS/2",
            buttons,
            wheel,
            pan: false,
            rate: 100,
            resolution: 200,
            double: false,
            enabled: true,
        };
        Shape::of(None, &Pointer { driver: "test", device: "model:psmouse", info })
    }

    const THREE: Buttons = Buttons(Buttons::LEFT.0 | Buttons::RIGHT.0 | Buttons::MIDDLE.0);

    #[test]
    fn a_device_has_the_ids_and_codes_of_its_kind() {
        let explorer = shape(Buttons::ALL, true);
        assert_eq!((explorer.name.as_str(), explorer.product()), ("ImExPS/2 IntelliMouse Explorer", 6));
        assert_eq!(explorer.phys, "udrv/model:psmouse/input0");
        assert_eq!(explorer.keys(), (0x110..=0x114).collect());
        assert_eq!(explorer.axes(), BTreeSet::from([0, 1, 8, 11]), "X, Y, WHEEL, WHEEL_HI_RES");
        let wheel = shape(THREE, true);
        assert_eq!((wheel.product(), wheel.keys().len()), (5, 3));
        let bare = shape(THREE, false);
        assert_eq!((bare.product(), bare.axes()), (1, BTreeSet::from([0, 1])));
        assert!(!bare.can_the_same(&wheel) && !wheel.can_the_same(&explorer));
        assert!(bare.can_the_same(&Shape { name: "another".to_owned(), ..bare.clone() }));
    }

    #[test]
    fn a_frame_is_the_kernels_events_in_one_piece() {
        let frame = Frame { press: Buttons::SIDE, release: Buttons::LEFT, x: -3, y: 4, wheel: -2, pan: 1 };
        let told: Vec<_> = events(&frame).iter().map(|event| (event.kind, event.code, event.value)).collect();
        let expected = [
            (1, 0x110, 0),
            (1, 0x113, 1),
            (2, 0, -3),
            (2, 1, 4),
            (2, 8, -2),
            (2, 11, -240),
            (2, 6, 1),
            (2, 12, 120),
            (0, 0, 0),
        ];
        assert_eq!(told, expected);
        let full = Frame { press: Buttons::ALL, x: 1, y: 1, wheel: 1, pan: 1, ..Frame::default() };
        assert_eq!(events(&full).len(), MOST_EVENTS);
        assert_eq!(size_of::<Event>(), size_of::<libc::input_event>());
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_a_way_out() {
        for name in ["", &"x".repeat(80), "a\nb", "a\0b"] {
            let error = Uinput::open(Some(name.to_owned()), None).expect_err(name).to_string();
            assert!(error.contains("--uinput NAME"), "{error}");
        }
        assert!(check_name(&"x".repeat(79)).is_ok());
        let long = Shape::of(Some(&"ä".repeat(60)), &Pointer { driver: "t", device: "d", info: info() });
        assert!(long.name.len() <= LONGEST_NAME);
    }

    fn info() -> InputInfo {
        InputInfo {
            name: "",
            protocol: "",
            buttons: THREE,
            wheel: false,
            pan: false,
            rate: 0,
            resolution: 0,
            double: false,
            enabled: false,
        }
    }

    #[test]
    fn what_is_in_the_way_is_told_with_what_mends_it() {
        let text = |errno| refused(io::Error::from_raw_os_error(errno)).to_string();
        for errno in [libc::ENOENT, libc::ENODEV] {
            assert!(text(errno).contains("modprobe uinput") && text(errno).contains("--no-input"), "{}", text(errno));
        }
        for errno in [libc::EACCES, libc::EPERM] {
            assert!(text(errno).contains("GROUP=\"input\""), "{}", text(errno));
        }
        assert!(text(libc::EINVAL).contains("/dev/uinput"));
        assert!(!text(libc::ENOENT).contains('\n'));
    }

    #[test]
    fn what_was_kept_and_does_not_fit_is_given_back_and_another_made() {
        let kept = OwnedFd::from(File::open("/dev/null").expect("it is there"));
        let mut endpoint = Uinput::open(None, Some(kept)).expect("nothing is made yet");
        let shown = endpoint.show(&Pointer { driver: "t", device: "d", info: info() });
        // where there is uinput, one is made; else that is what is told
        let made = File::options().read(true).write(true).open(NODE).is_ok();
        assert_eq!(matches!(shown, Ok(Shown::New)), made, "{shown:?}");
        assert!(endpoint.kept.is_none() && endpoint.to_keep().is_some() == made);
    }
}
