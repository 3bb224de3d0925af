//! The one list of models: cards in software, by name.
//!
//! A name here is what follows `model:`. For a new card add a line to [`MODELS`].

use std::fmt;

use model_card::{Chip, Model as Card};
use model_wire::NicPort;
use udrv_bus::PciFunction;

/// A card in software, and how to have one.
pub struct Model {
    /// Name of the chip, and of its driver.
    pub name: &'static str,
    /// Puts a card of the usual make on a wire's end and opens it.
    pub open: fn(NicPort) -> Box<dyn PciFunction>,
}

/// All of them.
pub const MODELS: &[Model] = &[nic::<model_e1000::E1000>(), nic::<model_rtl8139::Rtl8139>()];

const fn nic<C: Chip<Config: Default>>() -> Model {
    Model { name: C::NAME, open: |port| Box::new(Card::<C>::new(C::Config::default(), port).0) }
}

/// The model of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// The names, for an error message.
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
    use model_wire::{Wire, WireConfig};
    use udrv_bus::{PciId, Width};

    #[test]
    fn every_model_has_a_name_of_its_own_and_the_driver_of_that_name_drives_it() {
        for model in MODELS {
            assert_eq!(named(model.name), Some(model));
            assert_eq!(MODELS.iter().filter(|other| *other == model).count(), 1, "{model:?} is there twice");
            let (_wire, near, _far) = Wire::new(WireConfig::default());
            let mut card = (model.open)(near);
            let mut word = |at| card.config_read(at, Width::U16).expect("configuration space") as u16;
            let id = PciId { vendor: word(0), device: word(2) };
            assert_eq!(drivers::for_id(id).map(|driver| driver.name), Some(model.name), "{id}");
        }
        assert_eq!(named("nothing"), None);
    }
}
