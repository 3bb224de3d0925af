//! Which loopback card, and who is using it: what `/proc/asound` says, read and judged.
//!
//! The list of cards is taken from there and not from libasound, which opens each card's control node and so finds none where it
//! may not: "no card" and "no permission" are different troubles.

use std::{fs, io};

use udrv_driver::Direction;

use crate::endpoint::sound::SoundEndpointError;

/// What snd-aloop calls itself.
const LOOPBACK: &str = "Loopback";

/// A sound card of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `hw:0`.
    pub(super) index: u32,
    /// `hw:Loopback`.
    pub(super) id: String,
    /// Of its driver.
    driver: String,
}

/// The card that is wanted, by name or index; without either the first that is a loopback.
pub(super) fn find(wanted: Option<&str>) -> Result<Entry, SoundEndpointError> {
    let text = match fs::read_to_string("/proc/asound/cards") {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(), // no card's driver was ever loaded
        Err(source) => {
            return Err(SoundEndpointError::System { operation: "read /proc/asound/cards".into(), source });
        }
    };
    choose(parse(&text), wanted)
}

/// Lines such as ` 0 [Loopback       ]: Loopback - Loopback`; what is no such line names no card.
fn parse(text: &str) -> Vec<Entry> {
    let line = |line: &str| {
        let (index, rest) = line.split_once('[')?;
        let (id, rest) = rest.split_once("]: ")?;
        let driver = rest.split_once(" - ").map_or(rest, |(driver, _)| driver);
        let index = index.trim().parse().ok()?;
        Some(Entry { index, id: id.trim().to_owned(), driver: driver.trim().to_owned() })
    };
    text.lines().filter_map(line).collect()
}

fn choose(cards: Vec<Entry>, wanted: Option<&str>) -> Result<Entry, SoundEndpointError> {
    let list = cards.iter().map(|card| format!("{} [{}] {}", card.index, card.id, card.driver)).collect::<Vec<_>>();
    let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let is_wanted = |card: &Entry| match wanted {
        Some(wanted) => card.id == wanted || wanted.parse() == Ok(card.index),
        None => card.driver == LOOPBACK,
    };
    match (cards.into_iter().find(is_wanted), wanted) {
        (Some(card), _) if card.driver == LOOPBACK => Ok(card),
        (Some(card), wanted) => {
            Err(SoundEndpointError::NotLoopback { wanted: wanted.unwrap_or(&card.id).to_owned(), driver: card.driver })
        }
        (None, Some(wanted)) => Err(SoundEndpointError::NoCard { wanted: wanted.to_owned(), cards: list }),
        (None, None) => Err(SoundEndpointError::NoLoopback { cards: list }),
    }
}

/// How a subdevice stands: the text of its `status`. `None`: the kernel does not tell, or there is none.
fn status(card: u32, device: u32, direction: Direction, subdevice: u32) -> Option<String> {
    let letter = match direction {
        Direction::Playback => 'p',
        Direction::Capture => 'c',
    };
    fs::read_to_string(format!("/proc/asound/card{card}/pcm{device}{letter}/sub{subdevice}/status")).ok()
}

/// Whether somebody plays or records there right now.
pub(super) fn is_running(card: u32, device: u32, direction: Direction, subdevice: u32) -> bool {
    status(card, device, direction, subdevice).is_some_and(|text| runs(&text))
}

/// Who has it open, for people.
pub(super) fn holder(card: u32, device: u32, direction: Direction, subdevice: u32) -> String {
    let pid = status(card, device, direction, subdevice).as_deref().and_then(owner);
    pid.map_or_else(|| "another process".to_owned(), process)
}

/// A process by its number and, as far as it is known, its name.
pub(super) fn process(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (process {pid})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}

/// Whether jiffies pace the card, so that its rate can be shifted. With `timer_source` another card does.
pub(super) fn paces_itself(card: u32) -> bool {
    fs::read_to_string(format!("/proc/asound/card{card}/timer_source")).is_ok_and(|text| text.trim().is_empty())
}

fn runs(status: &str) -> bool {
    let state = status.lines().find_map(|line| line.strip_prefix("state: "));
    state.is_some_and(|state| matches!(state.trim(), "RUNNING" | "DRAINING"))
}

fn owner(status: &str) -> Option<u32> {
    let line = status.lines().find(|line| line.starts_with("owner_pid"))?;
    line.split_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARDS: &str = " 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xf7f10000 irq 30
 1 [Loopback       ]: Loopback - Loopback
                      Loopback 1
 3 [Second         ]: Loopback - Loopback
                      Loopback 2
";

    fn chosen(wanted: Option<&str>) -> Result<u32, String> {
        choose(parse(CARDS), wanted).map(|card| card.index).map_err(|error| error.to_string())
    }

    #[test]
    fn a_card_is_chosen_by_name_index_or_what_it_is() {
        assert_eq!(chosen(None), Ok(1));
        assert_eq!(chosen(Some("Second")), Ok(3));
        assert_eq!(chosen(Some("3")), Ok(3));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_mends_it() {
        let error = chosen(Some("0")).unwrap_err();
        assert!(error.contains("HDA-Intel") && error.contains("modprobe snd-aloop"), "{error}");
        let error = chosen(Some("2")).unwrap_err();
        assert!(error.contains("'2'") && error.contains("1 [Loopback] Loopback"), "{error}");
        let error = choose(parse("--- no soundcards ---\n"), None).unwrap_err().to_string();
        assert!(error.contains("none") && error.contains("modprobe snd-aloop"), "{error}");
        let error = choose(Vec::new(), Some("x")).unwrap_err().to_string();
        assert!(error.contains("'x' (there are: none)"), "{error}");
    }

    #[test]
    fn garbage_is_no_card() {
        for text in ["", "[]: - \n", "x [Loopback]: Loopback\n", "99999999999 [L]: Loopback - L\n", " 1 Loopback\n"] {
            assert!(parse(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_status_tells_who_and_whether() {
        let status = "state: RUNNING\nowner_pid   : 4711\ntrigger_time: 12.3\n";
        assert_eq!((runs(status), owner(status)), (true, Some(4711)));
        assert_eq!((runs("closed\n"), owner("closed\n")), (false, None));
        assert!(!runs("state: PREPARED\nowner_pid   : 4711\n"));
        assert_eq!(holder(u32::MAX, 1, Direction::Capture, 0), "another process");
    }
}
