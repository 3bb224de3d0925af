//! What is at the jacks of a sound card that is served: WAV files, or nothing.

use std::fmt;
use std::path::PathBuf;

use model_ens1371::wav::{WavError, WavSink, WavSource};
use model_ens1371::{Jacks, Nothing, Sink, Source};

use crate::models::REAL_TIME;

/// What a person has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundOptions {
    /// What is played goes into this file, which is emptied first.
    pub output: Option<PathBuf>,
    /// What is recorded comes from this file.
    pub input: Option<PathBuf>,
    /// How fast the card's clock goes, in percent of real time.
    pub pace: u32,
    /// The silence between two sounds goes into the output too.
    pub rests: bool,
}

impl Default for SoundOptions {
    fn default() -> SoundOptions {
        SoundOptions { output: None, input: None, pace: REAL_TIME, rests: false }
    }
}

impl SoundOptions {
    /// Opens the files and plugs them in. The output is to be finished when all is over.
    ///
    /// # Errors
    /// [`WavError`]. If it is the input, the output is as it was.
    pub fn plug(&self) -> Result<(Jacks, Option<WavSink>), WavError> {
        let source: Box<dyn Source> = match &self.input {
            Some(path) => Box::new(WavSource::open(path)?),
            None => Box::new(Nothing),
        };
        let output = self.output.as_ref().map(|path| WavSink::create(path)).transpose()?;
        let output = output.map(|output| if self.rests { output.with_rests(self.pace) } else { output });
        let sink: Box<dyn Sink> = match &output {
            Some(output) => Box::new(output.clone()),
            None => Box::new(Nothing),
        };
        Ok((Jacks::new(sink, source), output))
    }
}

impl fmt::Display for SoundOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.output {
            write!(f, "; what it plays goes into {}", path.display())?;
        }
        if let Some(path) = &self.input {
            write!(f, "; what it records comes from {}", path.display())?;
        }
        if self.pace != REAL_TIME {
            write!(f, "; its clock goes at {} % of real time", self.pace)?;
        }
        Ok(())
    }
}
