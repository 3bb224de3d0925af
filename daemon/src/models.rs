//! The one list of models, cards in software: what `model:NAME` and `udrvctl model serve NAME` can be.
//!
//! For a new card add a line to [`MODELS`]. A model of a family is its usual chip by its own name, and any of them with
//! the chip's behind it: `e1000`, `e1000-82544gc`.

use std::fmt;
use std::str::FromStr;

use model_card::{Chip, Model as Function, Nic};
use model_ens1371::{Clock, Ens1371, Jacks};
use model_pcips2::{PciPs2Model, Socket};
use model_pegasus::PegasusModel;
use model_psmouse::{PsMouseHandle, PsMouseModel, PsMousePort};
use model_wire::{FarPort, NicPort, Wire, WireConfig};
use udrv::device::Opened;
use udrv_bus::{BusError, PciFunction, SerioPort, UsbDevice};

/// A family of chips, and how to build a card with one.
pub struct Family {
    /// Its name, and that of its driver.
    pub name: &'static str,
    /// Names of its chips.
    pub variants: fn() -> Vec<&'static str>,
    build: Build,
}

/// How to build one: with the chip of this number among the variants, or the usual one.
enum Build {
    /// For a network: at a wire.
    Wired(fn(Option<usize>, NicPort) -> Card),
    /// For sound: with something at its jacks, at a pace in percent of real time.
    Sound(fn(Option<usize>, Jacks, u32) -> Card),
    /// A mouse.
    Mouse(fn(Option<usize>) -> model_psmouse::Config),
}

/// All of them.
pub const MODELS: &[Family] = &[
    nic::<model_e1000::E1000>(),
    ENS1371,
    PEGASUS,
    PSMOUSE,
    nic::<model_r8169::R8169>(),
    nic::<model_rtl8139::Rtl8139>(),
];

/// The pace of a sound card that plays as one of silicon does, in percent.
pub const REAL_TIME: u32 = 100;

/// One of [`MODELS`], and which of its chips.
#[derive(Clone, Copy)]
pub struct Model {
    family: &'static Family,
    variant: Option<usize>,
}

/// Text that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseModelError {
    /// No such family.
    #[error("there is no model '{0}'; there are: {known}", known = known())]
    Family(String),
    /// It has no such chip.
    #[error("model {family} has no chip '{chip}'; there are: {known}")]
    Chip {
        /// The family, which there is.
        family: &'static str,
        /// What was typed behind it.
        chip: String,
        /// Names that there are, with commas.
        known: String,
    },
}

/// Opens it again after it was dropped, as it was left.
pub type Open<T> = Box<dyn FnMut() -> Result<Box<T>, BusError> + Send>;

/// A card or an adapter in software, open, with its cables in.
pub enum Card {
    /// On PCI.
    Pci(Box<dyn PciFunction>, Open<dyn PciFunction>),
    /// On USB.
    Usb(Box<dyn UsbDevice>, Open<dyn UsbDevice>),
    /// At a serio port, which stays when it is unplugged.
    Serio(Box<dyn SerioPort>),
}

impl Card {
    /// It, for a driver.
    #[must_use]
    pub fn opened(self) -> Opened {
        match self {
            Card::Pci(function, _) => Opened::Pci(function),
            Card::Usb(device, reopen) => Opened::Usb { device, reopen: Some(reopen) },
            Card::Serio(port) => Opened::Serio { port, reopen: None },
        }
    }
}

/// The adapter on USB.
const PEGASUS: Family = Family {
    name: "pegasus",
    variants: || model_pegasus::VARIANTS.iter().map(|(name, _)| *name).collect(),
    build: Build::Wired(|variant, port| {
        let config = variant.map_or_else(Default::default, |number| model_pegasus::VARIANTS[number].1());
        let (device, bench) = PegasusModel::new(config, port);
        Card::Usb(Box::new(device), Box::new(move || Ok(Box::new(bench.open()?))))
    }),
};

/// The sound card.
const ENS1371: Family = Family {
    name: Ens1371::NAME,
    variants: || Ens1371::VARIANTS.iter().map(|(name, _)| *name).collect(),
    build: Build::Sound(|variant, jacks, pace| {
        let mut config = variant.map_or_else(Default::default, |number| Ens1371::VARIANTS[number].1());
        config.clock = Clock::Real { pace };
        let (function, bench) = Function::<Ens1371>::new(config, jacks);
        Card::Pci(Box::new(function), Box::new(move || Ok(Box::new(bench.open()?))))
    }),
};

/// The PS/2 mouse.
const PSMOUSE: Family = Family {
    name: "psmouse",
    variants: || model_psmouse::VARIANTS.iter().map(|(name, _)| *name).collect(),
    build: Build::Mouse(|variant| {
        let variant = variant.map(|number| model_psmouse::VARIANTS[number].1).unwrap_or_default();
        model_psmouse::Config::of(variant)
    }),
};

/// A network card of the usual make.
const fn nic<C: Nic<Config: Default>>() -> Family {
    Family {
        name: C::NAME,
        variants: || C::VARIANTS.iter().map(|(name, _)| *name).collect(),
        build: Build::Wired(|variant, port| {
            let config = variant.map_or_else(C::Config::default, |number| C::VARIANTS[number].1());
            let (function, bench) = Function::<C>::new(config, port);
            Card::Pci(Box::new(function), Box::new(move || Ok(Box::new(bench.open()?))))
        }),
    }
}

impl Family {
    /// It with its usual chip, and with each of them.
    pub fn models(&'static self) -> impl Iterator<Item = Model> {
        let chips = (0..(self.variants)().len()).map(Some);
        std::iter::once(None).chain(chips).map(move |variant| Model { family: self, variant })
    }
}

impl Model {
    /// The family, and that of its driver.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.family.name
    }

    /// Whether it is a sound card, and not one for a network.
    #[must_use]
    pub fn is_for_sound(&self) -> bool {
        matches!(self.family.build, Build::Sound(_))
    }

    /// Whether it is a mouse.
    #[must_use]
    pub fn is_mouse(&self) -> bool {
        matches!(self.family.build, Build::Mouse(_))
    }

    /// Builds a card. One for a network is at a wire, and the port is the other end of that, for whoever shall be there; to
    /// a sound card nothing is connected. A mouse is at a port, and nobody moves it.
    #[must_use]
    pub fn build(&self, wire: WireConfig) -> (Card, Option<FarPort>) {
        match self.family.build {
            Build::Wired(build) => {
                let (_, near, far) = Wire::new(wire);
                (build(self.variant, near), Some(far))
            }
            Build::Sound(build) => (build(self.variant, Jacks::default(), REAL_TIME), None),
            Build::Mouse(build) => (Card::Serio(Box::new(self.port(build(self.variant)).0)), None),
        }
    }

    /// Builds a sound card with something at its jacks, at a pace in percent of real time; `None`: it is none.
    #[must_use]
    pub fn build_with(&self, jacks: Jacks, pace: u32) -> Option<Card> {
        match self.family.build {
            Build::Wired(_) | Build::Mouse(_) => None,
            Build::Sound(build) => Some(build(self.variant, jacks, pace)),
        }
    }

    fn port(&self, config: model_psmouse::Config) -> (PsMousePort, PsMouseHandle) {
        PsMousePort::new(format!("model:{self}"), config)
    }

    /// Builds a mouse at a port of its own, and the bench with the hand on it; `None`: it is none.
    #[must_use]
    pub fn build_port(&self) -> Option<(Card, PsMouseHandle)> {
        let (port, hand) = self.port(self.mouse()?);
        Some((Card::Serio(Box::new(port)), hand))
    }

    fn mouse(&self) -> Option<model_psmouse::Config> {
        match self.family.build {
            Build::Wired(_) | Build::Sound(_) => None,
            Build::Mouse(build) => Some(build(self.variant)),
        }
    }

    /// Builds a mouse at a controller on PCI that only Linux has a driver for, and the bench with the hand on it; `None`: it is
    /// none.
    #[must_use]
    pub fn build_mouse(&self) -> Option<(Card, PsMouseHandle)> {
        let (line, hand) = self.build_line()?;
        Some((at_a_controller(line), hand))
    }

    /// Builds a mouse: the end of its line, and the bench with the hand on it; `None`: it is none.
    #[must_use]
    pub fn build_line(&self) -> Option<(PsMouseModel, PsMouseHandle)> {
        self.mouse().map(PsMouseModel::new)
    }
}

fn at_a_controller(line: PsMouseModel) -> Card {
    let (function, bench) = PciPs2Model::new((), Socket::new(line));
    Card::Pci(Box::new(function), Box::new(move || Ok(Box::new(bench.open()?))))
}

impl FromStr for Model {
    type Err = ParseModelError;
    fn from_str(text: &str) -> Result<Model, ParseModelError> {
        let (name, chip) = text.split_once('-').map_or((text, None), |(name, chip)| (name, Some(chip)));
        let family = MODELS.iter().find(|family| family.name == name);
        let family = family.ok_or_else(|| ParseModelError::Family(text.to_owned()))?;
        let Some(chip) = chip else { return Ok(Model { family, variant: None }) };
        let names = (family.variants)();
        let number = names.iter().position(|name| *name == chip).ok_or_else(|| ParseModelError::Chip {
            family: family.name,
            chip: chip.to_owned(),
            known: family.models().map(|model| model.to_string()).collect::<Vec<_>>().join(", "),
        })?;
        Ok(Model { family, variant: Some(number) })
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.name)?;
        match self.variant {
            Some(number) => write!(f, "-{}", (self.family.variants)()[number]),
            None => Ok(()),
        }
    }
}

/// All names, for an error message.
#[must_use]
pub fn known() -> String {
    MODELS.iter().flat_map(Family::models).map(|model| model.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Model) -> bool {
        self.family.name == other.family.name && self.variant == other.variant
    }
}

impl Eq for Model {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers;

    #[test]
    fn every_model_has_a_name_of_its_own_and_the_driver_of_its_family_drives_it() {
        let all: Vec<Model> = MODELS.iter().flat_map(Family::models).collect();
        for model in &all {
            assert_eq!(model.to_string().parse(), Ok(*model));
            assert_eq!(all.iter().filter(|other| other.to_string() == model.to_string()).count(), 1, "{model:?} twice");
            let id = model.build(WireConfig::default()).0.opened().id().expect("it is there").expect("it answers");
            assert_eq!(drivers::for_id(id).map(|driver| driver.name), Some(model.family()), "{id}");
        }
    }

    #[test]
    fn a_chip_by_name_is_that_chip() {
        let device = |name: &str| {
            let card = name.parse::<Model>().expect(name).build(WireConfig::default()).0;
            card.opened().id().expect("it is there").expect("it answers").numbers().1
        };
        assert_eq!((device("e1000"), device("e1000-82544gc")), (0x100e, 0x100c));
        assert_eq!((device("r8169"), device("r8169-rtl8168b")), (0x8169, 0x8168));
        assert_eq!((device("pegasus"), device("pegasus-an986")), (0x8511, 0x0986));
        assert_eq!((device("ens1371"), device("ens1371-ct5880")), (0x1371, 0x5880));
    }

    #[test]
    fn what_there_is_not_is_told_with_what_there_is() {
        for text in ["nothing", "", "-", "-rtl8168b", "R8169"] {
            let error = text.parse::<Model>().expect_err(text).to_string();
            assert!(error.contains(&format!("no model '{text}'")) && error.contains("r8169-rtl8168be"), "{error}");
        }
        for text in ["r8169-", "r8169-82540em", "r8169-rtl8168b-"] {
            let error = text.parse::<Model>().expect_err(text).to_string();
            assert!(error.contains("r8169 has no chip") && error.contains("r8169-rtl8110s"), "{error}");
            assert!(!error.contains("e1000"), "those of other families are no help: {error}");
        }
    }
}
