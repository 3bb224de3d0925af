//! What a network card has beside what every card has: a cable, and frames.

use std::sync::Weak;

use model_wire::{NicPort, NicReceiver};

use crate::chip::{Chip, Port};
use crate::model::{Card, settle};

/// A network controller. Its methods are called as those of [`Chip`] are.
pub trait Nic: Chip<Port = NicPort, Counts = Frames> {
    /// A frame arrives, without FCS, from destination address to the end of its payload. It may be of any length but 0.
    fn receive(&mut self, frame: &[u8], fcs_ok: bool);

    /// The cable was plugged in or pulled. May be called without a change.
    fn set_link(&mut self, up: bool);
}

/// What a network card counts: frames and aborts by the chip; those that came while it was gone by the card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frames {
    /// Frames put on the wire.
    pub tx_frames: u64,
    /// Frames sent in loopback.
    pub tx_loopback: u64,
    /// Transmissions aborted.
    pub tx_aborts: u64,
    /// Frames put into receive memory.
    pub rx_frames: u64,
    /// Frames that the receive filter refused, or that came while the receiver was off.
    pub rx_filtered: u64,
    /// Frames lost for want of room, or of bus mastering.
    pub rx_missed: u64,
}

impl<C: Nic> NicReceiver for Card<C> {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        let mut chip = self.chip();
        if chip.parts().trouble.on.gone {
            chip.parts().counters.rx_filtered += 1;
            return;
        }
        chip.receive(frame, fcs_ok);
        settle(&mut *chip);
    }

    fn link_changed(&self, up: bool) {
        let mut chip = self.chip();
        chip.set_link(up);
        settle(&mut *chip);
    }
}

impl<C: Nic> Port<C> for NicPort {
    fn connect(&self, card: Weak<Card<C>>) {
        self.attach(card);
    }
}
