//! Rust source as tokens, without comments, strings and characters: enough to see which words are code.
//!
//! Not a parser, and it judges nothing: of a source that does not compile it makes something or other.

/// A word or a single sign, and its line from 1. Literals other than numbers leave no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: source, line: 1 };
    std::iter::from_fn(|| lexer.next()).collect()
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.rest.chars().next()?;
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip(block_comment(self.rest));
            } else if let Some(length) = string(self.rest).or_else(|| character(self.rest)) {
                self.skip(length);
            } else {
                let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
                let length = if end == 0 { first.len_utf8() } else { end };
                let token = Token { line: self.line, text: &self.rest[..length] };
                self.skip(length);
                return Some(token);
            }
        }
    }

    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of the block comment at the start of `text`; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Bytes of the string at the start of `text`, with its prefix (`b`, `c`, `r`, `br`, `cr`), if there is one.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|p| {
        let after = text.strip_prefix(p).map(|rest| if p.ends_with('r') { rest.trim_start_matches('#') } else { rest });
        after.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].bytes().take_while(|b| *b == b'#').count();
    let start = prefix.len() + hashes + 1;
    let body = &text[start..];
    let length = if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else {
        quoted(body, b'"')
    };
    Some(start + length)
}

/// Bytes up to and with the closing `quote`, which a backslash hides.
fn quoted(body: &str, quote: u8) -> usize {
    let mut hidden = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if hidden => hidden = false,
            b'\\' => hidden = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// Bytes of the character literal at the start of `text`, if it is one and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix("b'").or_else(|| text.strip_prefix('\''))?;
    let start = text.len() - body.len();
    let mut chars = body.chars();
    let first = chars.next()?;
    (first == '\\' || chars.next() == Some('\'')).then(|| start + quoted(body, b'\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|t| t.text).filter(|t| t.chars().all(is_word)).collect()
    }

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r#"a "b \" c" d b"e" f c"g" h"#), ["a", "d", "f", "h"]);
        assert_eq!(words("a r\"b\\\" c r#\"d \" e\"# f br##\"g\"# h\"## i"), ["a", "c", "f", "i"]);
        assert_eq!(words(r"a 'b' c '\'' d b'e' f '\u{41}' g"), ["a", "c", "d", "f", "g"]);
        assert_eq!(words("/// a\n//! b\n/** c */ d"), ["d"]);
        assert_eq!(words("a \"never closed"), ["a"]);
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(words("fn f<'a>(x: &'a str, y: &'static T)"), ["fn", "f", "a", "x", "a", "str", "y", "static", "T"]);
        assert_eq!(words("r#type br b r"), ["r", "type", "br", "b", "r"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let found: Vec<(usize, &str)> =
            tokens("a\n/* \n */ b \"\n\" c\n// x\nd").into_iter().map(|t| (t.line, t.text)).collect();
        assert_eq!(found, [(1, "a"), (3, "b"), (4, "c"), (6, "d")]);
    }
}
