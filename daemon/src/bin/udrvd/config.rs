//! The configuration file: TOML, in which a key is an option of the command line without its dashes.
//!
//! There is no second definition: each key becomes the words of its option, clap judges them as it judges those of the command
//! line, and its verdict is told with the place in the file. What the command line says counts: such keys of the file, and those
//! that exclude it, are left out.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use udrv_daemon::complaint::{self, in_a_line};

use crate::arguments::{Action, Arguments, Run};

/// What the positional argument of `run` is called.
const DEVICE: &str = "device";
/// Not for a file.
const NOT_KEYS: [&str; 3] = ["config", "help", "version"];

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// errno.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{path}:{line}:{column}: {what}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
        /// In characters, counts from 1.
        column: usize,
        /// What, and what was expected.
        what: String,
    },
    /// Something is missing, or contradicts the command line.
    #[error("{path}: {what}")]
    Whole {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
}

/// What udrvd was told, from both.
pub(crate) struct Told {
    /// Taken apart.
    pub(crate) action: Action,
    /// As words, to be compared.
    pub(crate) matches: ArgMatches,
}

/// Takes the command line apart, and the file that it names. What is wrong with the command line alone ends the process as
/// clap does it.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn from_command_line(words: &[OsString]) -> Result<Told, ConfigError> {
    // the file is needed to judge the command line, and the command line names the file
    let first = Arguments::command().ignore_errors(true).try_get_matches_from(words).ok();
    let run = first.as_ref().and_then(|first| first.subcommand_matches("run"));
    // its parser is the path's: it cannot fail
    let file = run.and_then(|run| run.try_get_one::<PathBuf>("config").ok().flatten());
    let (Some(run), Some(file)) = (run, file) else {
        let matches = Arguments::command().try_get_matches_from(words);
        return Ok(matches.and_then(told).unwrap_or_else(|error| complaint::exit(&error)));
    };
    merge(words, run, file)
}

/// What a file alone says.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn check(file: &Path) -> Result<Told, ConfigError> {
    merge(&["udrvd".into(), "run".into()], &ArgMatches::default(), file)
}

fn told(matches: ArgMatches) -> Result<Told, clap::Error> {
    let action = Arguments::from_arg_matches(&matches)?.action;
    let matches = matches.subcommand_matches("run").cloned().unwrap_or_default();
    Ok(Told { action, matches })
}

/// `words`: the command line, and `given` what of it was understood.
fn merge(words: &[OsString], given: &ArgMatches, path: &Path) -> Result<Told, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let file = File { path, text: &text };
    let table = DeTable::parse(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        file.wrong(start, error.message().replace('\n', "; "))
    })?;
    let run = run_command();
    let mut keys: Vec<_> = table.get_ref().iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start); // as they stand in the file: the first mistake is told
    let keys = keys.into_iter().map(|(key, value)| Ok((file.argument(&run, key)?, key, value)));
    let keys = keys.collect::<Result<Vec<_>, ConfigError>>()?;

    let from_line =
        |id: &str| given.ids().any(|i| i.as_str() == id) && given.value_source(id) == Some(ValueSource::CommandLine);
    let from_line: Vec<&Arg> = run.get_arguments().filter(|argument| from_line(argument.get_id().as_str())).collect();
    // one of the two says so
    let excludes = |a: &Arg, b: &Arg| run.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id());
    let beats = |a: &Arg, b: &Arg| a.get_id() == b.get_id() || excludes(a, b) || excludes(b, a);
    let beaten = |argument: &Arg| from_line.iter().any(|line| beats(line, argument));
    // as a rule all is well, and one look at the whole says so: a successor is waited for
    let plain =
        |(argument, key, value): &(Arg, &_, &_)| file.words(argument, key, value).ok().filter(|_| !beaten(argument));
    if let Some(plain) = keys.iter().map(plain).collect::<Option<Vec<_>>>() {
        let all = words[..2].iter().chain(plain.iter().flatten()).chain(&words[2..]);
        if let Ok(told) = Arguments::command().try_get_matches_from(all).and_then(told) {
            return Ok(told);
        }
    }
    let mut all = words[..2].to_vec();
    for (argument, key, value) in &keys {
        let words = file.words(argument, key, value)?;
        file.judge(&words, key.get_ref(), value)?;
        if !beaten(argument) {
            all.extend(words);
        }
    }
    all.extend_from_slice(&words[2..]);
    let whole = Arguments::command().try_get_matches_from(all).and_then(told);
    whole.map_err(|error| {
        let text = in_words(&error);
        // the place, where the key that is named is in the file
        let named = context(&error, ContextKind::InvalidArg);
        let key = keys.iter().find(|(argument, ..)| named.as_deref().is_some_and(|named| is_named(argument, named)));
        match key {
            Some((_, key, _)) if error.kind() != ErrorKind::MissingRequiredArgument => {
                file.wrong(key.span().start, text)
            }
            _ => ConfigError::Whole { path: path.to_owned(), what: text },
        }
    })
}

/// What can be said of a device.
pub(crate) fn run_command() -> Command {
    let mut all = Arguments::command();
    all.build();
    all.find_subcommand("run").expect("udrvd run is there").clone()
}

/// Whether clap means this one by `--tap <NAME>`.
fn is_named(argument: &Arg, named: &str) -> bool {
    let name = named.split([' ', '=', '[']).next().and_then(|name| name.strip_prefix("--"));
    name.is_some() && name == argument.get_long()
}

/// One line of clap's.
fn in_words(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// What clap knows of an error.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn wrong(&self, place: usize, what: impl Into<String>) -> ConfigError {
        let before = self.text.get(..place).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        ConfigError::Wrong {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: in_a_line(&what.into()), // a value may have what breaks it, written as an escape in the file
        }
    }

    /// The option that a key is.
    fn argument(&self, run: &Command, key: &Spanned<toml::de::DeString<'_>>) -> Result<Arg, ConfigError> {
        let name = key.get_ref().as_ref();
        let is_key = |argument: &&Arg| {
            let own = argument.get_long().or((argument.get_id() == DEVICE).then_some(DEVICE));
            own == Some(name) && !NOT_KEYS.contains(&name)
        };
        if let Some(argument) = run.get_arguments().find(is_key) {
            return Ok(argument.clone());
        }
        let like = Arguments::command().try_get_matches_from(["udrvd", "run", &format!("--{name}")]);
        let like = like.err().and_then(|error| context(&error, ContextKind::SuggestedArg));
        let hint = match like.as_deref().and_then(|like| like.strip_prefix("--")) {
            Some(like) if !NOT_KEYS.contains(&like) => format!("; '{like}' is one that is like it"),
            _ if name.contains('_') => "; words of a key are joined with '-'".to_owned(),
            _ => String::new(),
        };
        let why = format!("there is no key '{name}'{hint}; keys are '{DEVICE}' and the options of udrvd run --help");
        Err(self.wrong(key.span().start, why))
    }

    /// The words of the command line that a key comes to.
    fn words(
        &self,
        argument: &Arg,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<OsString>, ConfigError> {
        let name = key.get_ref();
        let expected = expected(argument);
        let not = |value: &Spanned<DeValue<'_>>| {
            let why = format!("{name}: expected {expected}, found {}", of_type(value.get_ref()));
            self.wrong(value.span().start, why)
        };
        let one = |value: &Spanned<DeValue<'_>>| match (kind_of(argument), value.get_ref()) {
            (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => Ok(number.as_str().to_owned()),
            // a fraction of it is judged by its own parser
            (Kind::Text, DeValue::Integer(number)) if number.radix() == 10 => Ok(number.as_str().to_owned()),
            (Kind::Text, DeValue::Float(number)) => Ok(number.as_str().to_owned()),
            (Kind::Text, DeValue::String(text)) => Ok(text.to_string()),
            _ => Err(not(value)),
        };
        if argument.get_id() == DEVICE {
            return Ok(vec![one(value)?.into()]);
        }
        match (kind_of(argument), argument.get_action(), value.get_ref()) {
            (Kind::Flag, _, DeValue::Boolean(true)) => Ok(vec![format!("--{name}").into()]),
            (Kind::Flag, _, DeValue::Boolean(false)) => Ok(Vec::new()),
            // one that may stand without a value
            (Kind::Text, _, DeValue::Boolean(true)) if argument.get_num_args().is_some_and(|n| n.min_values() == 0) => {
                Ok(vec![format!("--{name}").into()])
            }
            (_, ArgAction::Append, DeValue::Array(list)) => {
                list.iter().map(|value| Ok(format!("--{name}={}", one(value)?).into())).collect()
            }
            _ => Ok(vec![format!("--{name}={}", one(value)?).into()]),
        }
    }

    /// Has clap judge the value of one key. What it lacks beside that one is judged with all of them.
    fn judge(&self, words: &[OsString], key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        for (number, word) in words.iter().enumerate() {
            let all = ["udrvd".into(), "run".into(), word.clone()];
            let Err(error) = Arguments::command().try_get_matches_from(all) else { continue };
            let place = match value.get_ref() {
                DeValue::Array(list) => list.get(number).map_or(value.span().start, |value| value.span().start),
                _ => value.span().start,
            };
            let reason = match error.kind() {
                ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict => continue,
                ErrorKind::InvalidValue => {
                    context(&error, ContextKind::ValidValue).map(|v| format!("expected one of {v}"))
                }
                ErrorKind::ValueValidation => error.source().map(ToString::to_string),
                _ => None,
            };
            let reason = reason.unwrap_or_else(|| in_words(&error));
            let given = context(&error, ContextKind::InvalidValue).unwrap_or_default();
            let given = if reason.contains(&given) { String::new() } else { format!("'{given}': ") };
            return Err(self.wrong(place, format!("{key}: {given}{reason}")));
        }
        Ok(())
    }
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Number,
    Text,
}

fn kind_of(argument: &Arg) -> Kind {
    let of = argument.get_value_parser().type_id();
    let numbers = [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>()];
    match argument.get_action() {
        ArgAction::SetTrue => Kind::Flag,
        _ if numbers.iter().any(|number| of == *number) => Kind::Number,
        _ => Kind::Text,
    }
}

/// For people.
fn expected(argument: &Arg) -> String {
    let one = match kind_of(argument) {
        Kind::Flag => "true or false",
        Kind::Number => "a whole number",
        Kind::Text => "a text in quotes",
    };
    let names = argument.get_value_names().unwrap_or_default().join(" ");
    let names = if kind_of(argument) == Kind::Flag { String::new() } else { format!(" ({names})") };
    let list = if matches!(argument.get_action(), ArgAction::Append) { " or a list of such" } else { "" };
    format!("{one}{names}{list}")
}

fn of_type(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

impl Told {
    /// What is to be run, if that was said.
    pub(crate) fn run(self) -> Option<(Box<Run>, ArgMatches)> {
        match self.action {
            Action::Run(run) => Some((run, self.matches)),
            Action::Check { .. } => None,
        }
    }
}
