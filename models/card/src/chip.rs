//! What a chip has to do to be put on a card.

use model_wire::NicPort;
use udrv_bus::{ResetKind, Width};

use crate::parts::Parts;

/// The chips of a family: a name for people, lower case, and the usual card with it.
pub type Variants<C> = &'static [(&'static str, fn() -> C)];

/// A network controller: registers, and frames. [`crate::Model`] makes it a PCI function.
///
/// Every method is called under the card's lock, and the card brings the interrupt line up to date after each. What
/// happens only while the card is in its slot and decodes the access is called only then; the chip looks itself at
/// [`Parts::may_master`] before it touches memory.
pub trait Chip: Send + Sized + 'static {
    /// How to build one.
    type Config;
    /// What only this chip can do wrong, beside what [`crate::Misbehave`] has; `()` if nothing.
    type Switches: Default + Send;

    /// For people: the model's name is `model:` and this.
    const NAME: &'static str;

    /// Its chips, the usual one first; none if there is only one.
    const VARIANTS: Variants<Self::Config> = &[];

    /// A card after power-on. Keeps `port` in its [`Parts`]; need not attach to it.
    fn new(config: Self::Config, port: NicPort) -> Self;

    /// The card around it.
    fn parts(&mut self) -> &mut Parts<Self::Switches>;

    /// A register read. `bar` exists, `offset` is naturally aligned and lies in it; the card keeps the bits of `width`.
    fn read(&mut self, bar: u8, offset: u32, width: Width) -> u32;

    /// A register write; the bits of `value` above `width` are 0.
    fn write(&mut self, bar: u8, offset: u32, width: Width, value: u32);

    /// A frame arrives, without FCS, from destination address to the end of its payload. It may be of any length but 0.
    fn receive(&mut self, frame: &[u8], fcs_ok: bool);

    /// The cable was plugged in or pulled. May be called without a change.
    fn set_link(&mut self, up: bool);

    /// Whether the chip asserts INTx now. Called often: a place to let timers expire.
    fn wants_interrupt(&mut self) -> bool;

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
