//! One frame, as text or for a program.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::live::{Happening, look};
use super::model::{Contact, Model};
use super::summary::Summary;
use super::{Options, PATIENCE, TopError, draw};

/// Between two looks at whether all have answered.
const STEP: Duration = Duration::from_millis(10);

/// What was seen.
#[derive(Debug)]
pub struct Frame {
    /// Plain text; with details, if one device was named.
    pub text: String,
    /// The same for a program.
    pub json: serde_json::Value,
    /// Those that did not say how they are.
    pub silent: Vec<String>,
    /// No daemon runs, and none was named.
    pub empty: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    devices: Vec<&'a Summary>,
}

/// Asks all twice, an interval apart, and shows what has come of it.
///
/// # Errors
/// [`TopError::Start`].
pub fn once(options: &Options) -> Result<Frame, TopError> {
    let (sender, happenings) = channel();
    let start = Instant::now();
    let mut model = Model::new(&options.devices);
    // a second look at those that answer, and one more where a daemon was started between the two
    for _ in 0..3 {
        let now = start.elapsed();
        look(&mut model, now, &options.directory, &sender).map_err(TopError::Start)?;
        while !model.is_quiet() && start.elapsed() < now + PATIENCE * 2 {
            if let Ok(Happening::Heard(name, heard)) = happenings.recv_timeout(STEP) {
                model.hear(start.elapsed(), &name, heard);
            }
        }
        if model.is_settled() {
            break;
        }
        std::thread::sleep((now + options.interval).saturating_sub(start.elapsed())); // what a rate is of
    }
    let rows = model.rows();
    let silent = rows.iter().filter(|(device, _)| device.contact != Contact::Answers);
    let silent = silent.map(|(device, summary)| format!("{}: {}", device.name, summary.state.word)).collect();
    let devices = rows.iter().map(|(_, summary)| summary).collect();
    Ok(Frame {
        text: draw::text(&model, options.devices.len() == 1),
        json: serde_json::to_value(Document { devices }).expect("a summary has text for keys"),
        silent,
        empty: rows.is_empty(),
    })
}
