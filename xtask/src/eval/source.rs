//! Lines of Rust source, counted by what they belong to. A line counts if there is code on it: comments, blank lines and tests do not.

use std::{collections::BTreeSet, ops::Range};

use crate::check::lexer::{Token, tokens};

/// A file's code, without its tests.
pub(super) struct Source<'a>(Vec<Token<'a>>);

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Source<'a> {
        let all = tokens(text);
        let mut kept = Vec::new();
        let mut at = 0;
        while at < all.len() {
            if words(&all[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
                at = item_end(&all, at);
            } else {
                kept.push(all[at]);
                at += 1;
            }
        }
        Source(kept)
    }

    /// Lines with code on them.
    pub(super) fn lines(&self) -> usize {
        count(&self.0)
    }

    /// Lines of the functions of that name, from `fn` to the closing brace.
    pub(super) fn function(&self, name: &str) -> usize {
        self.items(|rest| words(rest, &["fn", name])).map(|range| count(&self.0[range])).sum()
    }

    /// Lines of the macro's calls.
    pub(super) fn macro_call(&self, name: &str) -> usize {
        self.items(|rest| words(rest, &[name, "!", "{"])).map(|range| count(&self.0[range])).sum()
    }

    /// Entries of the macro's calls: those end with a semicolon.
    pub(super) fn macro_entries(&self, name: &str) -> usize {
        let entries = |range: Range<usize>| self.0[range].iter().filter(|token| token.text == ";").count();
        self.items(|rest| words(rest, &[name, "!", "{"])).map(entries).sum()
    }

    /// How often a method of that name is called.
    pub(super) fn calls(&self, name: &str) -> usize {
        (0..self.0.len()).filter(|at| words(&self.0[*at..], &[".", name, "("])).count()
    }

    /// Lines of attributes that have one of these words.
    pub(super) fn attributes(&self, wanted: &[&str]) -> usize {
        let mut lines = BTreeSet::new();
        for at in (0..self.0.len()).filter(|at| words(&self.0[*at..], &["#", "["])) {
            let end = self.0[at..].iter().position(|token| token.text == "]").map_or(self.0.len(), |end| at + end);
            if self.0[at..end].iter().any(|token| wanted.contains(&token.text)) {
                lines.extend(self.0[at..end].iter().map(|token| token.line));
            }
        }
        lines.len()
    }

    fn items(&self, is_start: impl Fn(&[Token<'a>]) -> bool) -> impl Iterator<Item = Range<usize>> {
        (0..self.0.len()).filter(move |at| is_start(&self.0[*at..])).map(|at| at..item_end(&self.0, at))
    }
}

fn words(tokens: &[Token<'_>], wanted: &[&str]) -> bool {
    tokens.len() >= wanted.len() && tokens.iter().zip(wanted).all(|(token, wanted)| token.text == *wanted)
}

fn count(tokens: &[Token<'_>]) -> usize {
    tokens.iter().map(|token| token.line).collect::<BTreeSet<_>>().len()
}

/// Behind the item that starts at `from`: its closing brace, or the semicolon of one that has none.
fn item_end(tokens: &[Token<'_>], from: usize) -> usize {
    let (mut depth, mut within) = (0_usize, 0_usize);
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            // of an array's type
            "(" | "[" => within += 1,
            ")" | "]" => within = within.saturating_sub(1),
            ";" if depth == 0 && within == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
//! A file.
use a::b; // two

register_map! {
    /// One.
    ONE: u8 = 0, Config;
    TWO: u16 = 2, Command;
}

#[derive(Clone, FromBytes)]
#[repr(C)]
struct State([u8; 4]);

impl Driver for X {
    fn restore(cx: [u8; 2]) -> u8 {
        // a comment
        cx.point(Point::Start);

        cx.regs.write(1) // "fn check() {}"
    }
}

#[cfg(test)]
mod tests {
    fn restore() {}
}
"#;

    #[test]
    fn code_is_counted_by_what_it_belongs_to() {
        let source = Source::new(TEXT);
        // use; the map with its braces; attributes and struct; impl, fn with two lines, and both braces
        assert_eq!(source.lines(), 1 + 4 + 3 + 6);
        assert_eq!((source.macro_call("register_map"), source.macro_entries("register_map")), (4, 2));
        assert_eq!((source.function("restore"), source.function("check")), (4, 0));
        assert_eq!((source.calls("point"), source.attributes(&["FromBytes", "repr"])), (1, 2));
    }
}
