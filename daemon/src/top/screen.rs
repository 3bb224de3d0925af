//! The terminal, for as long as it is ours: whatever ends that, it is given back as it was.

use std::io::{self, IsTerminal};

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// See the module's text. A panic gives it back before it says why.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Whether there is one: keys come from it, and what is drawn goes to it.
    #[must_use]
    pub fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Takes it.
    ///
    /// # Errors
    /// It fails, or is none.
    pub fn enter() -> io::Result<Screen> {
        // also sets the panic hook; what it has done before it failed is undone
        ratatui::try_init().map(Screen).inspect_err(|_| drop(ratatui::try_restore()))
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// It fails.
    pub fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.0.draw(|frame| draw(frame.area(), frame.buffer_mut())).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // where it has gone there is nothing to give back
        let _ = ratatui::try_restore();
    }
}
