//! Whether the commands that a driver declares can be registers.

use udrv_driver::serio::{END, FIRST, MAX_RESPONSE, SerioCommand, SerioRegister};

/// What is wrong with a declared command. That is the driver's source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is not where commands may be.
    #[error("its driver declares a command at {0:#x}: commands are at {FIRST:#x} and up, below {END:#x}")]
    Place(u16),
    /// Another one is there.
    #[error("its driver declares two commands at {0:#x}")]
    Twice(u16),
    /// An answer of no bytes, or of more than a register has.
    #[error("its driver declares an answer of {bytes} bytes at {offset:#x}: it may have 1 to {MAX_RESPONSE}")]
    Answer {
        /// Where.
        offset: u16,
        /// How many.
        bytes: u8,
    },
    /// A choice of nothing.
    #[error("its driver declares a choice of no commands at {0:#x}")]
    Choice(u16),
}

/// Checks all of them.
pub(super) fn check(commands: &[SerioCommand]) -> Result<(), CommandError> {
    for (number, &SerioCommand { offset, is }) in commands.iter().enumerate() {
        if !(FIRST..END).contains(&offset) {
            return Err(CommandError::Place(offset));
        }
        if commands[..number].iter().any(|other| other.offset == offset) {
            return Err(CommandError::Twice(offset));
        }
        match is {
            SerioRegister::Answer(_, bytes) if bytes == 0 || usize::from(bytes) > MAX_RESPONSE => {
                return Err(CommandError::Answer { offset, bytes });
            }
            SerioRegister::Choice([]) => return Err(CommandError::Choice(offset)),
            SerioRegister::Answer(..) | SerioRegister::Choice(_) | SerioRegister::Argument(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(offset: u16, is: SerioRegister) -> SerioCommand {
        SerioCommand { offset, is }
    }

    #[test]
    fn commands_that_can_be_registers_are_taken_and_no_others() {
        use SerioRegister::{Answer, Argument, Choice};
        let good = [at(FIRST, Argument(0xf3)), at(END - 1, Answer(0xe9, 4)), at(0x30, Choice(&[0xe6, 0xe7]))];
        assert_eq!(check(&good), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[at(FIRST - 1, Argument(0xf3))]), Err(CommandError::Place(FIRST - 1)));
        assert_eq!(check(&[at(END, Argument(0xf3))]), Err(CommandError::Place(END)));
        let twice = [at(0x24, Argument(0xf3)), at(0x20, Argument(0xe8)), at(0x24, Answer(0xe9, 3))];
        assert_eq!(check(&twice), Err(CommandError::Twice(0x24)));
        for bytes in [0, 5] {
            let error = check(&[at(0x20, Answer(0xe9, bytes))]).unwrap_err();
            assert_eq!(error, CommandError::Answer { offset: 0x20, bytes });
            assert!(error.to_string().contains("1 to 4"));
        }
        assert_eq!(check(&[at(0x20, Choice(&[]))]), Err(CommandError::Choice(0x20)));
    }
}
