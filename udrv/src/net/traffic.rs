//! Moving frames: from the endpoint into the queue of `transmit.rs`, and from the device to the endpoint.

use udrv_driver::{Entry, NetDriver, Offload};

use super::NetDevice;
use super::offload::prepare;
use super::transmit::Waiting;
use crate::endpoint::Received;
use crate::host::{BATCH, Host};
use crate::ledger::Ledger;
use crate::run::{CallError, DeviceError};
use crate::supervisor::quarantine::Version;

/// Smallest Ethernet frame without CRC; shorter ones are padded with zeros.
const MIN_FRAME: usize = 60;
/// Polls in a row before others get their turn: a flood of frames must not keep commands waiting.
const POLLS: u32 = 8;

impl<D: NetDriver> NetDevice<D> {
    /// Takes frames from the endpoint, as many as one call is offered, and gives what waits to the driver. Those that cannot
    /// be sent count, too: a flood of them must not keep the device waiting.
    ///
    /// # Errors
    /// When the device was given up or the endpoint is broken.
    pub fn pump_endpoint(&mut self) -> Result<(), DeviceError> {
        if self.is_down() {
            return Ok(());
        }
        self.take_frames()?;
        self.send_waiting()
    }

    /// How long one was that was cut only the host knows. It is asked once for all of them: to ask costs many times what
    /// a frame does. What a successor would find in between is a count that it cannot go by.
    fn take_frames(&mut self) -> Result<(), DeviceError> {
        let mut cut = false;
        for _ in 0..BATCH {
            if !self.class.outbound.has_room() {
                break;
            }
            match self.next_frame()? {
                Received::Frame(_) => {}
                Received::Cut => cut = true,
                Received::Empty | Received::Closed => break,
            }
        }
        if cut && self.is_kept() {
            self.count_from_here();
        }
        Ok(())
    }

    /// Whether a frame from the endpoint could be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.class.outbound.is_empty() && !self.is_down() && self.host.buffers.free() > 0
    }

    /// Reads a frame from the endpoint, if there is one, and a buffer for it.
    fn next_frame(&mut self) -> Result<Received, DeviceError> {
        let Some(buffer) = self.host.buffers.take() else { return Ok(Received::Empty) };
        self.host.kept.begin_read(buffer);
        let received = self.read_into(buffer);
        self.host.kept.end_read();
        if !matches!(received, Ok(Received::Frame(_) | Received::Cut)) {
            self.host.buffers.give_back(buffer);
        }
        received
    }

    /// Reads a frame into a buffer. It is noted in the record before it is counted as read: one that is neither is found by
    /// a successor.
    fn read_into(&mut self, buffer: u8) -> Result<Received, DeviceError> {
        let Host { pool, kept, .. } = &self.host;
        let (offset, room) = (pool.buffer_offset(buffer), pool.buffer_bytes() as usize);
        let (received, asked) = self.class.endpoint.recv_offloaded(pool.region(), offset, room, &kept.header)?;
        if let Received::Frame(_) | Received::Cut = received {
            self.frame_came(buffer, received, asked);
        }
        match received {
            Received::Frame(length) => self.host.kept.frame_read(length),
            Received::Cut => self.host.kept.count_from(None),
            Received::Empty | Received::Closed => {}
        }
        Ok(received)
    }

    /// What came into a buffer goes to the end of the queue, padded; if it cannot be sent it is dropped, and its buffer free.
    pub(super) fn frame_came(&mut self, buffer: u8, received: Received, asked: Offload) {
        let Some((length, offload)) = self.prepare_frame(buffer, received, asked) else {
            self.class.traffic.tx_dropped += 1;
            self.host.buffers.give_back(buffer);
            return;
        };
        let waiting = Waiting { buffer, length, offload };
        let fits = self.host.kept.waiting.push(waiting.to_words());
        debug_assert!(fits, "fewer wait than there is room for");
        self.class.outbound.push(waiting);
    }

    fn prepare_frame(&self, buffer: u8, received: Received, asked: Offload) -> Option<(u32, Offload)> {
        let Received::Frame(length @ 14..) = received else { return None };
        let (region, offset) = (self.host.pool.region(), self.host.pool.buffer_offset(buffer));
        let longest = self.host.longest_frame() as usize;
        let offload = prepare(region, offset, length, asked, self.class.offloads, longest)?;
        if length < MIN_FRAME {
            const ZEROS: [u8; MIN_FRAME] = [0; MIN_FRAME];
            let pad = region.copy_in(offset + length as u64, &ZEROS[length..]);
            debug_assert!(pad.is_ok(), "a buffer holds the smallest frame");
        }
        Some((length.max(MIN_FRAME) as u32, offload))
    }

    /// Whether a poll was broken off that could have gone on: [`NetDevice::serve_interrupt`] goes on with it.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.class.more
    }

    /// Polls, with the version of `poll` that is in use.
    pub(crate) fn call_poll(&mut self) -> Result<u32, CallError> {
        let valid = |n: &u32, host: &Host, _: &Ledger| *n as usize == host.delivered();
        let budget = self.host.budget();
        match (self.version(Entry::Poll), D::ALTERNATES.poll) {
            (Version::Alternate, Some(second)) => {
                self.call_version(Entry::Poll, true, &[], move |cx| second(cx, budget), valid)
            }
            _ => self.call(Entry::Poll, move |cx| D::poll(cx, budget), valid),
        }
    }

    /// Polls until the driver has no more, or others want their turn. A poll that faults is made again: its work is
    /// still there.
    pub(crate) fn poll_all(&mut self) -> Result<(), DeviceError> {
        let before = self.host.buffers.lent();
        self.class.more = false;
        let budget = self.host.budget();
        let mut polls = 0;
        loop {
            match self.call_poll() {
                Ok(n) => {
                    if n > 0 {
                        self.work_went_through();
                    }
                    polls += 1;
                    self.class.more = n == budget && polls == POLLS;
                    if n < budget || self.class.more {
                        break;
                    }
                }
                Err(CallError::Fault(_)) if self.failed.is_none() => {}
                Err(CallError::Driver(error)) => {
                    self.after_error(Entry::Poll, error)?;
                    break;
                }
                // nothing is received; the rest of the device works
                Err(CallError::Quarantined) => break,
                Err(error) => return Err(self.entry_error(Entry::Poll, error)),
            }
        }
        let after = self.host.buffers.lent();
        if after == 0 {
            self.class.sending_since = None;
        } else if after < before {
            self.class.sending_since = Some(self.clock());
        }
        Ok(())
    }

    /// Asks the driver for the link and mirrors it to the endpoint.
    pub(crate) fn update_link(&mut self) -> Result<(), DeviceError> {
        let link = self.entry(Entry::Link, |cx| D::link(cx))?;
        if link != self.class.link {
            tracing::info!(device = %self.name, up = link.up, speed = link.speed, full_duplex = link.full_duplex, "link");
        }
        self.class.endpoint.set_carrier(link.up)?;
        if link.up && !self.class.link.up && self.class.sending_since.is_some() {
            // what the device has had while there was no link has its time from here
            self.class.sending_since = Some(self.clock());
        }
        if link.up
            && link != self.class.link
            && let Err(error) = self.class.endpoint.set_link_mode(link.speed, link.full_duplex)
        {
            // it is only told; frames go all the same
            tracing::debug!(device = %self.name, %error, "the interface does not tell its speed");
        }
        self.class.link = link;
        Ok(())
    }

    /// Packet buffers that hold no frame: neither one that waits nor one that the driver has.
    #[must_use]
    pub fn free_buffers(&self) -> u32 {
        self.host.buffers.free()
    }

    /// Whether frames are with the device.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.class.sending_since.is_some()
    }
}
