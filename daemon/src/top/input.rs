//! Keys.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The end.
    Quit,
    /// Another device, so many further down.
    Select(isize),
    /// Details, so many lines further down.
    Scroll(isize),
    /// Show details, or no longer.
    Open,
    /// Back.
    Close,
    /// By something else.
    Sort,
    /// Stand still, or go on.
    Pause,
    /// Show the keys, or no longer.
    Help,
}

/// Lines of details that a page is.
const PAGE: isize = 10;

/// What the keys are, for people.
pub(super) const KEYS: [(&str, &str); 8] = [
    ("up, down", "select a device (k and j too; Home, End)"),
    ("Enter", "details of it, or no longer"),
    ("Page up, down", "more of the details"),
    ("s", "sort by name, state, traffic, faults, last fault"),
    ("p", "pause: what is shown stays"),
    ("?", "this help"),
    ("Esc", "back"),
    ("q", "quit (Ctrl-C too)"),
];

/// `None`: nothing.
pub(super) fn action(event: &Event) -> Option<Action> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    // the terminal makes no signals of keys while it is ours
    if modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(code, KeyCode::Char('c' | 'd')).then_some(Action::Quit);
    }
    Some(match code {
        KeyCode::Char('q' | 'Q') => Action::Quit,
        KeyCode::Up | KeyCode::Char('k') => Action::Select(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Select(1),
        KeyCode::Home => Action::Select(isize::MIN),
        KeyCode::End => Action::Select(isize::MAX),
        KeyCode::PageUp => Action::Scroll(-PAGE),
        KeyCode::PageDown => Action::Scroll(PAGE),
        KeyCode::Enter | KeyCode::Right => Action::Open,
        KeyCode::Esc | KeyCode::Left => Action::Close,
        KeyCode::Char('s' | 'S') => Action::Sort,
        KeyCode::Char('p' | 'P' | ' ') => Action::Pause,
        KeyCode::Char('?' | 'h') => Action::Help,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_something_once_and_others_nothing() {
        let key = |code, modifiers| action(&Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(key(KeyCode::Char('s'), KeyModifiers::CONTROL), None);
        assert_eq!(key(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(key(KeyCode::F(1), KeyModifiers::NONE), None);
        let up = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(action(&Event::Key(up)), None);
        assert_eq!(action(&Event::Resize(1, 1)), None);
    }
}
