//! Places, and the kinds of mistakes there.

use serde::Serialize;

/// A kind of mistake, of those that studies of driver faults count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A read through a null pointer.
    NullRead,
    /// A write through a null pointer.
    NullWrite,
    /// A write through a pointer that was never set.
    WildWrite,
    /// The end of an array on the stack is written over.
    StackCorruption,
    /// A recursion without end.
    StackOverflow,
    /// A division by zero.
    Arithmetic,
    /// An index out of bounds, which the compiler's check catches.
    OutOfBounds,
    /// A loop without end.
    EndlessLoop,
    /// A field that was just set holds garbage.
    MalformedStructure,
    /// A variable or a field is not set.
    MissingInitialisation,
    /// A register is not written.
    MissingWrite,
    /// A call is not made.
    MissingCall,
    /// What was taken is not given back.
    Leak,
    /// Another register of the same width.
    WrongRegister,
    /// `<` for `<=`, or the other way round.
    WrongBound,
    /// A condition is inverted.
    WrongCondition,
    /// A sum for a difference, a mask or a flag left out.
    WrongOperator,
    /// A number that is one off.
    WrongConstant,
}

/// A mistake that can be turned on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Site {
    /// Its number.
    pub(crate) number: u32,
    /// The driver's crate.
    pub(crate) driver: String,
    /// Its source file, from the workspace's root.
    pub(crate) file: String,
    /// Line there.
    pub(crate) line: usize,
    /// In which function.
    pub(crate) function: String,
    /// What is wrong.
    pub(crate) kind: Kind,
    /// The source that is wrong then; as much as fits on a line.
    pub(crate) source: String,
}

/// As much of a source as fits on a line.
pub(crate) fn short(source: &str) -> String {
    const MOST: usize = 60;
    if source.chars().count() <= MOST {
        return source.to_owned();
    }
    source.chars().take(MOST).chain(['…']).collect()
}
