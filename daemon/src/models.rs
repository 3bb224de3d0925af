//! The one list of models, cards in software: what `model:NAME` and `udrvctl model serve NAME` can be.
//!
//! For a new card add a line to [`MODELS`].

use std::fmt;

use model_card::{Chip, Model as Function};
use model_wire::{FarHost, FarHostConfig, NicPort, Wire, WireConfig};
use udrv_bus::{BusError, PciFunction};

/// A model, and how to build one.
pub struct Model {
    /// Name of the chip, and of its driver.
    pub name: &'static str,
    build: fn(NicPort) -> Card,
}

/// All of them.
pub const MODELS: &[Model] = &[nic::<model_e1000::E1000>(), nic::<model_rtl8139::Rtl8139>()];

/// Opens a card.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn PciFunction>, BusError> + Send>;

/// A card in software, with its cable in, and what is at the cable's other end.
pub struct Card {
    /// It, open.
    pub function: Box<dyn PciFunction>,
    /// Opens it again after `function` was dropped, as it was left.
    pub reopen: Open,
    /// The host at the other end.
    pub far_host: Option<FarHost>,
}

/// A card of the usual make.
const fn nic<C: Chip<Config: Default>>() -> Model {
    Model {
        name: C::NAME,
        build: |port| {
            let (function, bench) = Function::<C>::new(C::Config::default(), port);
            Card { function: Box::new(function), reopen: Box::new(move || Ok(Box::new(bench.open()?))), far_host: None }
        },
    }
}

impl Model {
    /// Builds a card. `far_host` is whether its wire has a host at the other end.
    ///
    /// # Errors
    /// The host's thread could not be started.
    pub fn build(&self, far_host: bool) -> std::io::Result<Card> {
        let (_, near, far) = Wire::new(WireConfig::default());
        let host = far_host.then(|| FarHost::start(far, FarHostConfig::default())).transpose()?;
        Ok(Card { far_host: host, ..(self.build)(near) })
    }
}

/// The model with this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// All names, for an error message.
#[must_use]
pub fn known() -> String {
    MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Model) -> bool {
        self.name == other.name
    }
}

impl Eq for Model {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers;
    use udrv_bus::{PciId, Width};

    #[test]
    fn every_model_has_a_name_of_its_own_and_the_driver_of_that_name_drives_it() {
        for model in MODELS {
            assert_eq!(named(model.name), Some(model));
            assert_eq!(MODELS.iter().filter(|other| *other == model).count(), 1, "{model:?} is there twice");
            let mut card = model.build(false).expect("it needs no thread").function;
            let mut word = |at| card.config_read(at, Width::U16).expect("configuration space") as u16;
            let id = PciId { vendor: word(0), device: word(2) };
            assert_eq!(drivers::for_id(id).map(|driver| driver.name), Some(model.name), "{id}");
        }
        assert_eq!(named("nothing"), None);
    }
}
