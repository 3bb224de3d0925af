//! The one list of models: what `model:NAME` and `udrvctl model serve NAME` can be.

use model_card::{Chip, Handle};
use model_wire::{FarHost, FarHostConfig, NicPort, Wire, WireConfig};
use udrv_bus::{BusError, PciFunction};

/// A model, and how to build one.
pub struct Model {
    /// What a person types.
    pub name: &'static str,
    build: fn(NicPort) -> Card,
}

/// All of them.
pub const MODELS: &[Model] = &[Model {
    name: "rtl8139",
    build: |port| card(model_rtl8139::Rtl8139Model::new(model_rtl8139::Config::default(), port)),
}];

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

fn card<C: Chip>((function, bench): (model_card::Model<C>, Handle<C>)) -> Card {
    Card { function: Box::new(function), reopen: Box::new(move || Ok(Box::new(bench.open()?))), far_host: None }
}

impl Model {
    /// Builds a card. `far_host` is the host at the other end of its wire, if there shall be one.
    ///
    /// # Errors
    /// The host's thread could not be started.
    pub fn build(&self, far_host: Option<FarHostConfig>) -> std::io::Result<Card> {
        let (_, near, far) = Wire::new(WireConfig::default());
        let host = far_host.map(|config| FarHost::start(far, config)).transpose()?;
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
