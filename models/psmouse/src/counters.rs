//! What is counted for tests.

use crate::codes::command;

/// Counters since the mouse was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Bytes that the host has read.
    pub to_host: u64,
    /// Bytes that the host has written, those that nobody received among them.
    pub from_host: u64,
    /// Bytes that nobody received: it was not plugged in, or in its self test.
    pub unheard: u64,
    /// Commands by their code; arguments are none.
    pub commands: [u64; 256],
    /// Packets in stream mode.
    pub packets: u64,
    /// Bytes that were to be sent and were not, since the host had something to say.
    pub interrupted: u64,
    /// Times that a counter of movement was full.
    pub overflows: u64,
    /// Answers RESEND and ERROR.
    pub refused: u64,
    /// Times that the plug went in.
    pub plugged_in: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            to_host: 0,
            from_host: 0,
            unheard: 0,
            commands: [0; 256],
            packets: 0,
            interrupted: 0,
            overflows: 0,
            refused: 0,
            plugged_in: 0,
        }
    }
}

impl Counters {
    /// How often a command came.
    #[must_use]
    pub fn of(&self, command: u8) -> u64 {
        self.commands[usize::from(command)]
    }

    /// Resets by command.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.of(command::RESET)
    }
}
