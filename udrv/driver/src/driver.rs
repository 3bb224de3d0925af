//! What every driver is, whatever its class.

use crate::{Bus, Cx, Error, RegisterInfo, State};

/// A driver: its identity, its registers, its state, and the way back. A class trait ([`crate::NetDriver`],
/// [`crate::SoundDriver`], [`crate::InputDriver`]) adds what its devices do.
///
/// Each function that gets a [`Cx`] is an entry point: it may fault at any instruction, and then none of it has happened. The others
/// are asked within such a call. What is asked without one is a constant, for that runs nothing of the driver.
pub trait Driver: 'static {
    /// Name of the chip, and of the crate. At most 32 bytes.
    const NAME: &'static str;
    /// Vendor and device (PCI) or product (USB) ids that it drives; kind and protocol of the port (serio).
    const IDS: &'static [(u16, u16)];
    /// The bus that its devices are on, and where on it their registers are.
    const BUS: Bus;
    /// The register map.
    const REGISTERS: &'static [RegisterInfo];
    /// Version of the state's layout: change it when the layout changes.
    const STATE_VERSION: u32;
    /// See [`State`].
    type State: State;

    /// The state before `probe`.
    const NEW: Self::State;

    /// Doorbells that tell whether they have rung. Looked at when the process has died at that moment, and another one goes
    /// on. One is in here only where ringing twice would do harm, and the chip tells; the others are rung again.
    const TELLTALES: &'static [Telltale] = &[];

    /// Which of the variants of its class (of chip, codec, device) `probe` has found: an index into the class's `VARIANTS`. Asked
    /// within `probe`, behind it; before it any will do.
    #[must_use]
    fn variant(state: &Self::State) -> u32 {
        let _ = state;
        0
    }

    /// What holds of the state between calls: indices within their rings, flags that are flags. Asked before and after
    /// each protected call, inside the transaction; so it is short, and looks at nothing but the state. What fails
    /// after a call is that call's fault; what fails before it is older, and an older state is taken.
    ///
    /// # Errors
    /// What does not hold, in a few words.
    fn check(state: &Self::State) -> Result<(), &'static str> {
        let _ = state;
        Ok(())
    }

    /// Stops the device for good: no DMA, no interrupts after it.
    ///
    /// # Errors
    /// What the device did wrong.
    fn quiesce(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;

    /// Brings the device to where the state says it is, from wherever a failed call has left it. What was in flight is
    /// completed as failed.
    ///
    /// # Errors
    /// What the device did wrong.
    fn restore(cx: &mut Cx<'_, Self::State>) -> Result<(), Error>;
}

/// A doorbell that tells whether it has rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telltale {
    /// Offset of the register.
    pub register: u16,
    /// Bits that it holds as they were written last, whatever becomes of the others.
    pub kept: u32,
}

impl Telltale {
    /// Whether the doorbell has rung that was to be `wanted`: the register holds `now`.
    #[must_use]
    pub const fn has_rung(self, wanted: u32, now: u32) -> bool {
        (wanted ^ now) & self.kept == 0
    }
}

/// One clause of [`Driver::check`]; the text names the field and what is wrong with it.
///
/// # Errors
/// The text.
pub fn holds(clause: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if clause { Ok(()) } else { Err(otherwise) }
}
