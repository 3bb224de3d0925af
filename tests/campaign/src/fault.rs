//! What a trial is made with: a mistake in machine code, or one in the source.

use std::fmt;
use std::path::Path;
use std::{fs, io};

use model_wire::Rng;
use serde::Deserialize;

use crate::mutate::Mutant;
use crate::patch;

/// A fault.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A changed instruction.
    Instruction(Mutant),
    /// A place of a driver that `udrv-planter` has copied.
    Source(Site),
}

/// A place in the source of a driver, as the planter tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Site {
    /// Its number.
    pub(crate) number: u32,
    /// The driver's crate.
    pub(crate) driver: String,
    file: String,
    line: usize,
    function: String,
    kind: String,
    source: String,
}

impl Fault {
    /// Turns it on in this process.
    ///
    /// # Errors
    /// The instruction is not there, or may not be written.
    pub(crate) fn put(&self) -> io::Result<()> {
        match self {
            Fault::Instruction(mutant) => patch::put(mutant.address, &mutant.before, &mutant.after),
            Fault::Source(site) => {
                udrv_planted::choose(site.number);
                Ok(())
            }
        }
    }

    /// Turns off whatever is on.
    pub(crate) fn remove() {
        patch::remove();
        udrv_planted::choose(udrv_planted::NONE);
    }

    /// What must be reached for it to do anything.
    pub(crate) fn place(&self) -> u64 {
        match self {
            Fault::Instruction(mutant) => mutant.address,
            Fault::Source(site) => site.number.into(),
        }
    }

    /// Why it is outside what is guaranteed, if it is.
    pub(crate) fn outside(&self) -> Option<&'static str> {
        match self {
            Fault::Instruction(mutant) => mutant.outside,
            Fault::Source(_) => None,
        }
    }

    /// Its kind.
    pub(crate) fn rule(&self) -> &str {
        match self {
            Fault::Instruction(mutant) => mutant.rule.name(),
            Fault::Source(site) => &site.kind,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Instruction(mutant) => mutant.fmt(f),
            Fault::Source(Site { file, line, function, source, .. }) => {
                write!(f, "{file}:{line}: {function}: {source}")
            }
        }
    }
}

/// The places that the planter has told.
///
/// # Errors
/// The file cannot be read, or is of another planter.
pub(crate) fn sites(file: &Path) -> io::Result<Vec<Site>> {
    let why = |error: String| io::Error::other(format!("{}: {error}", file.display()));
    let text = fs::read(file).map_err(|error| why(error.to_string()))?;
    let sites: Vec<Site> = serde_json::from_slice(&text).map_err(|error| why(error.to_string()))?;
    match sites.iter().find(|site| site.number as usize >= udrv_planted::MOST) {
        Some(_) => Err(why(format!("{} places; udrv_planted::MOST is {}", sites.len(), udrv_planted::MOST))),
        None => Ok(sites),
    }
}

/// In the order of `seed`.
pub(crate) fn shuffled(mut sites: Vec<Site>, seed: u64) -> Vec<Site> {
    let mut dice = Rng::new(seed);
    for last in (1..sites.len()).rev() {
        sites.swap(last, dice.below(last as u64 + 1) as usize);
    }
    sites
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(number: u32) -> Site {
        let text = || "x".to_owned();
        Site { number, driver: text(), file: text(), line: 1, function: text(), kind: text(), source: text() }
    }

    #[test]
    fn a_seed_gives_all_places_in_an_order_of_its_own() {
        let sites: Vec<Site> = (0..100).map(site).collect();
        let (first, second) = (shuffled(sites.clone(), 1), shuffled(sites.clone(), 2));
        assert_eq!(first, shuffled(sites.clone(), 1));
        assert_ne!(first, second);
        let mut back = second;
        back.sort_by_key(|site| site.number);
        assert_eq!(back, sites);
    }

    #[test]
    fn what_is_no_list_of_places_is_said_with_its_name() {
        let folder = std::env::temp_dir();
        let missing = sites(&folder.join("udrv-no-such-file.json")).unwrap_err().to_string();
        assert!(missing.contains("udrv-no-such-file.json"), "{missing}");
    }
}
