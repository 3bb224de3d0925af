//! What came out: the record that udrvd writes, read while it grows.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    super::error::{Doing, Error, Result},
    hand::MARK,
    walk::Point,
};

/// A report as it is written down: a line of JSON.
#[derive(Debug, Deserialize)]
struct Line {
    /// To the right, towards the user.
    x: i64,
    y: i64,
    /// Clicks, away from the user.
    #[serde(default)]
    wheel: i64,
    /// Names of those that are down.
    #[serde(default)]
    buttons: Vec<String>,
}

/// What came out of a leg.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    pub(super) by: Point,
    pub(super) clicks: i64,
    /// Times that each button went down, but that which marks the end.
    pub(super) pressed: BTreeMap<String, u64>,
    /// Those that are down at its end.
    pub(super) held: Vec<String>,
}

/// A record, as far as it was read.
pub(super) struct Record {
    file: File,
    /// Of a line that is not whole yet.
    rest: String,
    reports: u64,
    buttons: Vec<String>,
    leg: Seen,
    /// Legs that have ended and that nobody has asked for.
    ended: Vec<Seen>,
    /// Where it was after each report.
    points: Vec<Point>,
}

impl Record {
    /// Of a file that is to be written, in the place of any that is there.
    pub(super) fn new(path: &Path) -> Result<Record> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| format!("remove {}", path.display()))?;
            }
            _ => {}
        }
        let file =
            File::create_new(path).and_then(|_| File::open(path)).doing(|| format!("make {}", path.display()))?;
        Ok(Record {
            file,
            rest: String::new(),
            reports: 0,
            buttons: Vec::new(),
            leg: Seen::default(),
            ended: Vec::new(),
            points: vec![[0, 0]],
        })
    }

    /// Reads what has been written.
    pub(super) fn follow(&mut self) -> Result<()> {
        self.file.read_to_string(&mut self.rest).doing(|| "read the record".to_owned())?;
        while let Some((line, rest)) = self.rest.split_once('\n') {
            let line = serde_json::from_str(line)
                .map_err(|error| Error::Wrong(format!("udrvd's record is not understood: {error}: {line}")))?;
            self.rest = rest.to_owned();
            self.take(line);
        }
        Ok(())
    }

    fn take(&mut self, line: Line) {
        self.reports += 1;
        let [x, y] = self.place();
        self.points.push([x + line.x, y + line.y]);
        self.leg.by = [self.leg.by[0] + line.x, self.leg.by[1] + line.y];
        self.leg.clicks += line.wheel;
        for button in line.buttons.iter().filter(|button| *button != MARK && !self.buttons.contains(button)) {
            *self.leg.pressed.entry(button.clone()).or_default() += 1;
        }
        let marks = |buttons: &[String]| buttons.iter().any(|button| button == MARK);
        if marks(&self.buttons) && !marks(&line.buttons) {
            self.leg.held.clone_from(&line.buttons);
            self.ended.push(std::mem::take(&mut self.leg));
        }
        self.buttons = line.buttons;
    }

    /// Reports so far.
    pub(super) fn reports(&self) -> u64 {
        self.reports
    }

    /// Where it is after the last.
    pub(super) fn place(&self) -> Point {
        self.points.last().copied().unwrap_or_default()
    }

    /// The leg that has ended, if one has.
    pub(super) fn leg(&mut self) -> Option<Seen> {
        self.ended.pop()
    }

    /// Where it was after each report.
    pub(super) fn points(self) -> Vec<Point> {
        self.points
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_leg_ends_where_the_mark_is_released_and_half_a_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        fs::write(&path, "of another run\n").unwrap();
        let mut record = Record::new(&path).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let mut write = |text: &str| file.write_all(text.as_bytes()).unwrap();
        write("{\"x\":3,\"y\":-1,\"buttons\":[\"left\"]}\n{\"x\":1,\"y\":0,\"wheel\":-2,\"but");
        record.follow().unwrap();
        assert_eq!((record.reports(), record.place(), record.leg()), (1, [3, -1], None));
        write("tons\":[\"left\"]}\n{\"x\":0,\"y\":0,\"buttons\":[\"middle\"]}\n{\"x\":0,\"y\":0,\"buttons\":[]}\n");
        record.follow().unwrap();
        let leg = record.leg().unwrap();
        assert_eq!((leg.by, leg.clicks, leg.pressed["left"], leg.held.len()), ([4, -1], -2, 1, 0));
        write("{\"x\":1,\"y\":1}\n");
        record.follow().unwrap();
        assert_eq!((record.leg(), record.points.len()), (None, 6));
        write("no JSON\n");
        assert!(record.follow().is_err());
        assert!(Record::new(&path).unwrap().follow().is_ok(), "what was there is removed");
    }
}
