//! What restoring changes, field by field, and what is refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Checkpoint, Chip, in_a_line};

/// A field that becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its place in the file: `settings.net.mtu`.
    pub field: String,
    /// What it is now; JSON. `none`: it has no value yet.
    pub from: String,
    /// What it becomes; JSON.
    pub to: String,
}

/// What came of restoring a checkpoint, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Nothing was changed: it was only asked what would be.
    pub dry_run: bool,
    /// What is another now. Nothing: all was so already, and the device was left alone.
    pub changes: Vec<Change>,
    /// The chip that it was saved from, if that is another one than the chip here, which is the second.
    pub other_chip: Option<(Chip, Chip)>,
}

/// A value that the device does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {}: {why}", in_a_line(.value))]
pub struct Refusal {
    /// Its place in the file.
    pub field: String,
    /// What stands there.
    pub value: String,
    /// Why not, and the mend.
    pub why: String,
}

impl Refusal {
    pub(crate) fn new(field: impl Into<String>, value: impl ToString, why: impl Into<String>) -> Refusal {
        Refusal { field: field.into(), value: value.to_string(), why: why.into() }
    }
}

impl Checkpoint {
    /// All that it says, field by field: its place in the file, and the value there as JSON.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        // plain data is JSON
        if let Ok(Value::Object(parts)) = serde_json::to_value(self) {
            for part in ["format", "driver", "chip", "settings", "policy"] {
                compare(part, None, &parts[part], &mut found);
            }
        }
        found.into_iter().map(|change| (change.field, change.to)).collect()
    }
}

/// What of `wanted` is another than `now`. What is only in `now` stays as it is.
pub(crate) fn changes(now: &Checkpoint, wanted: &Checkpoint) -> Vec<Change> {
    let mut found = Vec::new();
    for (part, now, wanted) in [
        ("settings", serde_json::to_value(&now.settings), serde_json::to_value(&wanted.settings)),
        ("policy", serde_json::to_value(&now.policy), serde_json::to_value(&wanted.policy)),
    ] {
        // plain data is JSON
        compare(part, now.as_ref().ok(), wanted.as_ref().unwrap_or(&Value::Null), &mut found);
    }
    found
}

fn compare(place: &str, now: Option<&Value>, wanted: &Value, found: &mut Vec<Change>) {
    match wanted {
        Value::Object(fields) => {
            for (name, wanted) in fields {
                compare(&format!("{place}.{}", in_a_line(name)), now.and_then(|now| now.get(name)), wanted, found);
            }
        }
        _ if now == Some(wanted) => {}
        _ => found.push(Change {
            field: place.to_owned(),
            from: now.map_or("none".to_owned(), Value::to_string),
            to: wanted.to_string(),
        }),
    }
}
