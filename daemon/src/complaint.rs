//! What is wrong, on standard error. It may repeat what was typed, or what stands in a file: no terminal is to obey that.

use clap::error::Error;

/// `text` as part of a line: what would break it, or move the cursor, stands as its escape.
#[must_use]
pub fn in_a_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Tells it, in one line.
pub fn complain(program: &str, what: &str) {
    eprintln!("{program}: {}", in_a_line(what));
}

/// Ends the program as clap does it: with help that was asked for, or what is wrong with the arguments.
pub fn exit(error: &Error) -> ! {
    // clap's own colours cannot be told from those that were typed
    let is_plain = std::env::args_os().all(|word| !word.to_string_lossy().contains(char::is_control));
    if is_plain || !error.use_stderr() {
        error.exit();
    }
    error.to_string().lines().for_each(|line| eprintln!("{}", in_a_line(line)));
    std::process::exit(error.exit_code())
}
