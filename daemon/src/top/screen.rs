//! The terminal, for as long as it is ours: whatever ends that, it is given back as it was.

use std::io::{self, IsTerminal};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// A panic, of any thread, has given it back: to do so once more would move the cursor to above what the panic says.
static GIVEN_BACK: AtomicBool = AtomicBool::new(false);

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
        let hook = panic::take_hook();
        let entered = ratatui::try_init();
        drop(panic::take_hook()); // ratatui's, which would give it back at every panic
        let terminal = match entered {
            Ok(terminal) => terminal,
            Err(error) => {
                panic::set_hook(hook);
                let _ = ratatui::try_restore(); // what was done before it failed
                return Err(error);
            }
        };
        panic::set_hook(Box::new(move |info| {
            if !GIVEN_BACK.swap(true, Relaxed) {
                let _ = ratatui::try_restore();
            }
            hook(info);
        }));
        Ok(Screen(terminal))
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// It fails; a panic of another thread has given it back.
    pub fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        if GIVEN_BACK.load(Relaxed) {
            return Err(io::Error::other("given back, for a thread has panicked"));
        }
        self.0.draw(|frame| draw(frame.area(), frame.buffer_mut())).map(drop)
    }

    /// Has all drawn anew: it has another size, or had one in between, and nobody knows what it shows.
    ///
    /// # Errors
    /// It fails.
    pub fn forget(&mut self) -> io::Result<()> {
        // not clear(), which asks the terminal where the cursor is: the answer would come where keys are read
        let size = self.0.size()?;
        self.0.resize(Rect::from((Position::ORIGIN, size)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !GIVEN_BACK.load(Relaxed) {
            // where it has gone there is nothing to give back
            let _ = ratatui::try_restore();
        }
    }
}
