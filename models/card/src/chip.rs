//! What a chip has to do to be put on a card.

use std::sync::Weak;
use std::time::Instant;

use udrv_bus::{ResetKind, Width};

use crate::model::Card;
use crate::parts::Parts;

/// The chips of a family: a name for people, lower case, and the usual card with it.
pub type Variants<C> = &'static [(&'static str, fn() -> C)];

/// A controller on PCI: registers, memory, an interrupt. [`crate::Model`] makes it a PCI function. What a network
/// controller has beside that is [`crate::Nic`].
///
/// Every method is called under the card's lock, and the card brings the interrupt line up to date after each. What
/// happens only while the card is in its slot and decodes the access is called only then; the chip looks itself at
/// [`Parts::may_master`] before it touches memory.
pub trait Chip: Send + Sized + 'static {
    /// How to build one.
    type Config;
    /// What it is connected to beside the bus: the near end of a cable, jacks. A card can be built if that is a [`Port`].
    type Port;
    /// What only this chip can do wrong, beside what [`crate::Misbehave`] has; `()` if nothing.
    type Switches: Default + Send;
    /// What it counts beside what the card does: the fields of [`crate::Counters`] that are of its kind.
    type Counts: Copy + Default + Send;

    /// For people: the model's name is `model:` and this.
    const NAME: &'static str;

    /// Its chips, the usual one first; none if there is only one.
    const VARIANTS: Variants<Self::Config> = &[];

    /// A card after power-on. Keeps `port`; the card connects it.
    fn new(config: Self::Config, port: Self::Port) -> Self;

    /// The card around it.
    fn parts(&mut self) -> &mut Parts<Self::Switches, Self::Counts>;

    /// A register read. `bar` exists, `offset` is naturally aligned and lies in it; the card keeps the bits of `width`.
    fn read(&mut self, bar: u8, offset: u32, width: Width) -> u32;

    /// A register write; the bits of `value` above `width` are 0.
    fn write(&mut self, bar: u8, offset: u32, width: Width, value: u32);

    /// Whether the chip asserts INTx now. Called often: a place to let timers expire.
    fn wants_interrupt(&mut self) -> bool;

    /// Whether the chip does anything by itself when time passes: then the card has a clock, which is a thread.
    const CLOCK: bool = false;

    /// When the chip is to be looked at again, with [`Chip::CLOCK`]: it may want the line then.
    fn wakes_at(&self) -> Option<Instant> {
        None
    }

    /// Configuration space or misbehaviour may have changed: what waited for it (the transmitter) may go on.
    fn resume(&mut self);

    /// Resets the function, if its bus can ([`udrv_bus::PciFunction::reset`]). Most old chips cannot.
    fn function_reset(&mut self) -> ResetKind {
        ResetKind::None
    }

    /// Moves a clock that tests drive by hand on, by ticks of the chip's own unit. Nothing if it has none.
    fn advance_clock(&mut self, ticks: u64) {
        let _ = ticks;
    }
}

/// What a card with the chip `C` is connected to.
pub trait Port<C: Chip> {
    /// Lets what happens at its other end reach the card. Nothing for a port at which nothing happens by itself.
    fn connect(&self, card: Weak<Card<C>>) {
        let _ = card;
    }
}
