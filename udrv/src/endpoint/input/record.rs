//! A file instead of a device node: a line of JSON for each change.
//!
//! ```text
//! {"us":51220,"x":3,"y":-1,"buttons":["left"]}
//! {"us":61204,"x":0,"y":0,"wheel":1,"buttons":[]}
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use udrv_driver::Buttons;

use super::{Frame, InputEndpoint, InputEndpointError, Pointer, Shown, names};

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds since the recording began.
    pub us: u64,
    /// To the right, counts.
    pub x: i32,
    /// Towards the user, counts.
    pub y: i32,
    /// Clicks of the wheel, away from the user; left out if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wheel: i32,
    /// Clicks of it to the right; left out if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pan: i32,
    /// Names of the buttons that are down now.
    pub buttons: Vec<String>,
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
    down: Buttons,
    shown: bool,
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
        let (path, began) = (path.to_owned(), Instant::now());
        Ok(Recorder { file, path, began, down: Buttons::NONE, shown: false })
    }
}

impl InputEndpoint for Recorder {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn show(&mut self, _: &Pointer<'_>) -> Result<Shown, InputEndpointError> {
        Ok(if std::mem::replace(&mut self.shown, true) { Shown::Same } else { Shown::New })
    }

    /// A line at a time and whole, so that what is there is good however this process ends.
    fn emit(&mut self, frame: &Frame) -> Result<(), InputEndpointError> {
        let failed =
            |source| InputEndpointError::File { path: self.path.clone(), operation: "recording into it", source };
        let Frame { press, release, x, y, wheel, pan } = *frame;
        self.down = Buttons(self.down.0 & !release.0 | press.0);
        let us = self.began.elapsed().as_micros() as u64;
        let [x, y] = [x, y].map(i32::from);
        let [wheel, pan] = [wheel, pan].map(i32::from);
        let line = Line { us, x, y, wheel, pan, buttons: names(self.down) };
        let mut text = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_can_be_read_again_line_by_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.jsonl");
        std::fs::write(&path, "of another run").expect("a file");
        let mut recorder = Recorder::create(&path).expect("a file");
        for frame in [
            Frame { press: Buttons::LEFT, x: -3, wheel: 1, ..Frame::default() },
            Frame { press: Buttons::RIGHT, release: Buttons::LEFT, y: 2, pan: -1, ..Frame::default() },
            Frame { release: Buttons::RIGHT, ..Frame::default() },
        ] {
            recorder.emit(&frame).expect("it is written");
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let told: Vec<_> = lines.iter().map(|line| (line.x, line.y, line.wheel, line.pan, &*line.buttons)).collect();
        let [left, right] = ["left", "right"].map(|name| [name.to_owned()]);
        assert_eq!(told, [(-3, 0, 1, 0, &left[..]), (0, 2, 0, -1, &right[..]), (0, 0, 0, 0, &[][..])]);
        assert!(lines.is_sorted_by_key(|line| line.us));
        assert!(!text.contains("\"wheel\":0"), "{text}");
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
