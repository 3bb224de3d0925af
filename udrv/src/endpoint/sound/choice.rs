//! Which endpoint: what the command line says, before anything is opened.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::{Aloop, Files, NoSound, SoundEndpoint, SoundEndpointError, Wav};

/// The options as they were given: `--alsa[=CARD]`, `--play FILE`, `--record FILE`, `--record-for SECONDS`, `--no-sound`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `Some(None)`: without a card.
    pub alsa: Option<Option<String>>,
    /// A WAV file to play.
    pub play: Option<PathBuf>,
    /// A WAV file to record.
    pub record: Option<PathBuf>,
    /// How long to record.
    pub record_for: Option<Duration>,
    /// Nothing of all that.
    pub no_sound: bool,
}

/// An endpoint that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Applications, over a loopback card: this one, by id or index, or the first one.
    Alsa(Option<String>),
    /// Files.
    Wav(Files),
    /// Nothing: the card is there for `udrvctl`.
    None,
}

impl Default for Choice {
    fn default() -> Self {
        Choice::Alsa(None)
    }
}

impl Choice {
    /// What the options say; without any, the first loopback card.
    ///
    /// # Errors
    /// Options that exclude one another.
    pub fn from_options(options: Options) -> Result<Self, SoundEndpointError> {
        let Options { alsa, play, record, record_for, no_sound } = options;
        let has_files = play.is_some() || record.is_some();
        let excluded = |text: &str| Err(SoundEndpointError::Options(text.to_owned()));
        if record_for.is_some() && record.is_none() {
            return excluded("--record-for says how long --record FILE records, and there is no --record");
        }
        match (alsa, has_files, no_sound) {
            (Some(_), true, _) => {
                excluded("--alsa is for applications, --play and --record are for files: one or the other")
            }
            (Some(_), _, true) | (_, true, true) => excluded("--no-sound goes with no other endpoint"),
            (Some(card), false, false) => card.as_deref().map_or(Ok(Choice::default()), named),
            (None, true, false) => Ok(Choice::Wav(Files { play, record, record_for })),
            (None, false, true) => Ok(Choice::None),
            (None, false, false) => Ok(Choice::default()),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// What is in the way, with what mends it.
    pub fn open(&self) -> Result<Box<dyn SoundEndpoint>, SoundEndpointError> {
        Ok(match self {
            Choice::Alsa(card) => Box::new(Aloop::open(card.as_deref())?),
            Choice::Wav(files) => Box::new(Wav::open(files.clone())?),
            Choice::None => Box::new(NoSound),
        })
    }
}

/// A card: an id has letters, digits, `-` and `_`, at most 15. `hw:` before it is taken off, and a device after it refused.
fn named(card: &str) -> Result<Choice, SoundEndpointError> {
    let id = card.strip_prefix("hw:").unwrap_or(card);
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > 15 || !id.bytes().all(is_one) {
        return Err(SoundEndpointError::Options(format!(
            "'{card}' is no sound card; give the id or the number of a loopback card, as in /proc/asound/cards"
        )));
    }
    Ok(Choice::Alsa(Some(id.to_owned())))
}

/// `alsa`, `alsa:CARD`, `play:FILE`, `record:FILE`, `none`: for places that have one word for it.
impl FromStr for Choice {
    type Err = SoundEndpointError;

    fn from_str(text: &str) -> Result<Self, SoundEndpointError> {
        let file = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        let choice = match text.split_once(':').unwrap_or((text, "")) {
            ("none", "") => Some(Choice::None),
            ("alsa", "") => Some(Choice::default()),
            ("alsa", card) => return named(card),
            ("play", path) => file(path).map(|path| Choice::Wav(Files { play: Some(path), ..Files::default() })),
            ("record", path) => file(path).map(|path| Choice::Wav(Files { record: Some(path), ..Files::default() })),
            _ => None,
        };
        let wrong = || {
            SoundEndpointError::Options(format!("'{text}' is none of alsa, alsa:CARD, play:FILE, record:FILE, none"))
        };
        choice.ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(options: Options) -> Result<Choice, String> {
        Choice::from_options(options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_say_which() {
        let card = |text: &str| Options { alsa: Some(Some(text.to_owned())), ..Options::default() };
        assert_eq!(chosen(Options::default()), Ok(Choice::Alsa(None)));
        assert_eq!(chosen(Options { alsa: Some(None), ..Options::default() }), Ok(Choice::Alsa(None)));
        assert_eq!(chosen(card("hw:Second")), Ok(Choice::Alsa(Some("Second".into()))));
        assert_eq!(chosen(Options { no_sound: true, ..Options::default() }), Ok(Choice::None));
        let length = Some(Duration::from_secs(3));
        let options =
            Options { play: Some("a".into()), record: Some("b".into()), record_for: length, ..Options::default() };
        let files = Files { play: Some("a".into()), record: Some("b".into()), record_for: length };
        assert_eq!(chosen(options), Ok(Choice::Wav(files)));
        for bad in ["", "hw:", "hw:0,1", "a card", "0123456789abcdef"] {
            assert!(chosen(card(bad)).unwrap_err().contains("/proc/asound/cards"), "{bad}");
        }
    }

    #[test]
    fn options_that_exclude_one_another_are_refused() {
        let play = Some(PathBuf::from("a.wav"));
        let alsa = Some(None);
        for options in [
            Options { alsa: alsa.clone(), play: play.clone(), ..Options::default() },
            Options { no_sound: true, play, ..Options::default() },
            Options { no_sound: true, alsa, ..Options::default() },
            Options { record_for: Some(Duration::from_secs(1)), ..Options::default() },
        ] {
            assert!(chosen(options.clone()).is_err(), "{options:?}");
        }
    }

    #[test]
    fn a_word_says_which() {
        assert_eq!("alsa".parse::<Choice>().unwrap(), Choice::Alsa(None));
        assert_eq!("alsa:1".parse::<Choice>().unwrap(), Choice::Alsa(Some("1".into())));
        assert_eq!("none".parse::<Choice>().unwrap(), Choice::None);
        let files = Files { play: Some("/a:b.wav".into()), ..Files::default() };
        assert_eq!("play:/a:b.wav".parse::<Choice>().unwrap(), Choice::Wav(files));
        for bad in ["", "pulse", "play:", "record:", "none:1", "alsa:a b"] {
            assert!(bad.parse::<Choice>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_sound_takes_nothing_and_gives_nothing() {
        use super::super::Card;
        let mut none = Choice::None.open().unwrap();
        none.show(&Card { driver: "test", device: "test:0", streams: &[], controls: &[] }).unwrap();
        assert_eq!((none.name().as_str(), none.wish().unwrap(), none.descriptors().len()), ("none", None, 0));
        let stream = udrv_driver::Stream(0);
        assert_eq!((none.take(stream, &mut [0; 8]).unwrap(), none.give(stream, &[0; 8]).unwrap()), (0, 0));
        assert!(!none.follow(stream, 100));
        assert!(Choice::Wav(Files { play: Some("/no/such/file".into()), ..Files::default() }).open().is_err());
    }
}
