//! Waiting for a condition, never for a time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::error::{Error, Result};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Looks until there is something, no longer than `patience`. `what` is for the error.
pub(super) fn until<T>(
    what: impl Fn() -> String,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(Error::Late { what: what(), seconds: patience.as_secs_f64() });
        }
        sleep(PAUSE);
    }
}
