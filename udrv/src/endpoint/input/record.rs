//! A file instead of a device node: a line of JSON for the device, and one for each change.
//!
//! ```text
//! {"line":"device","us":120,"device":"model:psmouse","name":"IntelliMouse Explorer","protocol":"ImExPS/2","buttons":["left","right"]}
//! {"line":"frame","us":51220,"press":["left"],"x":3,"y":-1}
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use udrv_driver::InputInfo;

use super::{Frame, InputEndpoint, InputEndpointError, Pointer, Shown, names};

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// From here on it is this device.
    Device {
        /// Microseconds since the recording began.
        us: u64,
        /// `serio:serio1`.
        device: String,
        /// For people.
        name: String,
        /// The protocol that it speaks.
        protocol: String,
        /// Its buttons.
        buttons: Vec<String>,
        /// It has a wheel.
        wheel: bool,
        /// Which can be tilted.
        pan: bool,
    },
    /// A change. What has not changed is left out.
    Frame {
        /// Microseconds since the recording began.
        us: u64,
        /// Buttons that go down.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        press: Vec<String>,
        /// Buttons that go up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        release: Vec<String>,
        /// To the right, counts.
        #[serde(default, skip_serializing_if = "is_zero")]
        x: i32,
        /// Towards the user, counts.
        #[serde(default, skip_serializing_if = "is_zero")]
        y: i32,
        /// Clicks of the wheel, away from the user.
        #[serde(default, skip_serializing_if = "is_zero")]
        wheel: i32,
        /// Clicks of it to the right.
        #[serde(default, skip_serializing_if = "is_zero")]
        pan: i32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// See the module's text.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    path: PathBuf,
    began: Instant,
    shown: Option<InputInfo>,
}

impl Recorder {
    /// Begins a recording; what was in the file before is gone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path) -> Result<Recorder, InputEndpointError> {
        let failed =
            |source| InputEndpointError::File { path: path.to_owned(), operation: "recording into it", source };
        let file = File::create(path).map_err(failed)?;
        Ok(Recorder { file, path: path.to_owned(), began: Instant::now(), shown: None })
    }

    /// A line at a time and whole, so that what is there is good however this process ends.
    fn write(&mut self, line: &Line) -> Result<(), InputEndpointError> {
        let failed =
            |source| InputEndpointError::File { path: self.path.clone(), operation: "recording into it", source };
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(failed)
    }

    fn us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

impl InputEndpoint for Recorder {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn show(&mut self, pointer: &Pointer<'_>) -> Result<Shown, InputEndpointError> {
        let info = pointer.info;
        let (device, name, protocol) = (pointer.device.to_owned(), info.name.to_owned(), info.protocol.to_owned());
        let (us, buttons) = (self.us(), names(info.buttons));
        self.write(&Line::Device { us, device, name, protocol, buttons, wheel: info.wheel, pan: info.pan })?;
        Ok(if self.shown.replace(info).is_some() { Shown::Same } else { Shown::New })
    }

    fn emit(&mut self, frame: &Frame) -> Result<(), InputEndpointError> {
        let Frame { press, release, x, y, wheel, pan } = *frame;
        let (us, press, release) = (self.us(), names(press), names(release));
        self.write(&Line::Frame { us, press, release, x: x.into(), y: y.into(), wheel: wheel.into(), pan: pan.into() })
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::Buttons;

    use super::*;

    #[test]
    fn what_was_recorded_can_be_read_again_line_by_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.jsonl");
        let mut recorder = Recorder::create(&path).expect("a file");
        let info = InputInfo {
            name: "a mouse",
            protocol: "PS/2",
            buttons: Buttons::LEFT | Buttons::RIGHT,
            wheel: true,
            pan: false,
            rate: 100,
            resolution: 200,
            double: false,
            enabled: true,
        };
        let pointer = Pointer { driver: "test", device: "test:0", info };
        assert_eq!(recorder.show(&pointer).expect("it is written"), Shown::New);
        let frame = Frame { press: Buttons::LEFT, x: -3, wheel: 1, ..Frame::default() };
        recorder.emit(&frame).expect("it is written");
        recorder.emit(&Frame { release: Buttons::LEFT, ..Frame::default() }).expect("it is written");
        assert_eq!(recorder.show(&pointer).expect("it is written"), Shown::Same);
        let text = std::fs::read_to_string(&path).expect("text");
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(matches!(&lines[0], Line::Device { buttons, .. } if buttons == &["left", "right"]));
        assert!(
            matches!(&lines[1], Line::Frame { press, release, x: -3, y: 0, wheel: 1, pan: 0, .. }
                if press == &["left"] && release.is_empty()),
            "{lines:?}"
        );
        assert!(matches!(&lines[2], Line::Frame { release, x: 0, .. } if release == &["left"]));
        assert!(!text.contains("\"pan\":0"), "what has not changed is left out: {text}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = Recorder::create(Path::new("/no/such/directory/events")).expect_err("there is none").to_string();
        assert!(error.contains("/no/such/directory/events"), "{error}");
        let mut full = Recorder::create(Path::new("/dev/full")).expect("it is there");
        let error = full.emit(&Frame { x: 1, ..Frame::default() }).expect_err("no room").to_string();
        assert!(error.starts_with("/dev/full: recording into it: "), "{error}");
    }
}
