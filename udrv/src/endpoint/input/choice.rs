//! Which endpoint: what the command line says, before anything is opened.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::{InputEndpoint, InputEndpointError, NoInput, Recorder, Uinput};

/// The options as they were given: `--uinput NAME`, `--record-events FILE`, `--no-input`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the device node's device.
    pub uinput: Option<String>,
    /// A file to record into.
    pub record: Option<PathBuf>,
    /// Neither.
    pub no_input: bool,
}

/// An endpoint that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Applications, by a device node: of this name, or of the device's own.
    Uinput(Option<String>),
    /// A file.
    Record(PathBuf),
    /// Nothing: the device is there for `udrvctl`.
    None,
}

impl Choice {
    /// What the options say; without any, a device node.
    ///
    /// # Errors
    /// Options that exclude one another.
    pub fn from_options(options: Options) -> Result<Choice, InputEndpointError> {
        let Options { uinput, record, no_input } = options;
        let excluded = |text: &str| Err(InputEndpointError::Options(text.to_owned()));
        match (uinput, record, no_input) {
            (Some(_), Some(_), _) => {
                excluded("--uinput is for applications, --record-events is for a file: one or the other")
            }
            (Some(_), _, true) | (_, Some(_), true) => excluded("--no-input goes with no other endpoint"),
            (None, Some(path), false) => Ok(Choice::Record(path)),
            (None, None, true) => Ok(Choice::None),
            (name, None, false) => Ok(Choice::Uinput(name)),
        }
    }

    /// Opens it. `kept` is the device node that the last process has left to this one, if it has.
    ///
    /// # Errors
    /// What is in the way, with what mends it.
    pub fn open(self, kept: Option<OwnedFd>) -> Result<Box<dyn InputEndpoint>, InputEndpointError> {
        Ok(match self {
            Choice::Uinput(name) => Box::new(Uinput::open(name, kept)?),
            Choice::Record(path) => Box::new(Recorder::create(&path)?),
            Choice::None => Box::new(NoInput::default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(options: Options) -> Result<Choice, String> {
        Choice::from_options(options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_say_which_and_exclude_one_another() {
        let (uinput, record) = (Some("desk".to_owned()), Some(PathBuf::from("a")));
        assert_eq!(chosen(Options::default()), Ok(Choice::Uinput(None)));
        assert_eq!(
            chosen(Options { uinput: uinput.clone(), ..Options::default() }),
            Ok(Choice::Uinput(uinput.clone()))
        );
        assert_eq!(chosen(Options { record: record.clone(), ..Options::default() }), Ok(Choice::Record("a".into())));
        assert_eq!(chosen(Options { no_input: true, ..Options::default() }), Ok(Choice::None));
        for wrong in [
            Options { uinput: uinput.clone(), record: record.clone(), no_input: false },
            Options { uinput, no_input: true, ..Options::default() },
            Options { record, no_input: true, ..Options::default() },
        ] {
            let error = chosen(wrong).expect_err("not both");
            assert!(error.contains("--"), "{error}");
        }
    }
}
