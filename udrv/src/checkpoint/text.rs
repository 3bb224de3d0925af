//! Values that stand in a file as text, and text of a file in an error.

/// The longest that an error has of somebody else's text, bytes.
const MOST: usize = 300;

/// `text` as part of a line: it may be anybody's.
pub(crate) fn in_a_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if line.len() >= MOST {
            line.push_str("...");
            break;
        }
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// For `#[serde(with = "as_text")]`: by `Display` and `FromStr`.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error| D::Error::custom(format_args!("`{}`: {error}", super::in_a_line(&text))))
    }
}
