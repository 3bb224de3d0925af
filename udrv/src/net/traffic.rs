//! Moving frames.

use std::time::Instant;

use udrv_driver::{Entry, Error, NetDriver};

use super::{CallError, DeviceError, NetDevice};
use crate::endpoint::Received;
use crate::host::BUDGET;
use crate::pool::BUFFER_BYTES;
use crate::supervisor::quarantine::Version;

/// Smallest Ethernet frame without CRC; shorter ones are padded with zeros.
const MIN_FRAME: usize = 60;
/// Largest, with a VLAN tag.
const MAX_FRAME: usize = 1518;
/// Frames taken from the endpoint before the device gets its turn.
const BATCH: usize = 32;
/// Polls in a row before others get their turn: a flood of frames must not keep commands waiting.
const POLLS: u32 = 8;

impl<D: NetDriver> NetDevice<D> {
    /// Takes frames from the endpoint and gives them to the driver, until there is none, or no room.
    ///
    /// # Errors
    /// When the device was given up or the endpoint is broken.
    pub fn pump_endpoint(&mut self) -> Result<(), DeviceError> {
        for _ in 0..BATCH {
            if self.restores.is_down() {
                break;
            }
            let Some((buffer, length)) = self.next_frame()? else { break };
            if !self.send(buffer, length)? {
                self.waiting = Some((buffer, length));
                break;
            }
        }
        Ok(())
    }

    /// Whether a frame from the endpoint could be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.is_none() && !self.restores.is_down() && self.host.buffers.free() > 0
    }

    fn next_frame(&mut self) -> Result<Option<(u8, u32)>, DeviceError> {
        if let Some(frame) = self.waiting.take() {
            return Ok(Some(frame));
        }
        let Some(buffer) = self.host.buffers.take() else { return Ok(None) };
        let received = self.receive_into(buffer);
        if !matches!(received, Ok(Some(_))) {
            self.host.buffers.give_back(buffer);
        }
        Ok(received?.map(|length| (buffer, length)))
    }

    /// Takes a frame from the endpoint into a buffer: its length, padded.
    fn receive_into(&mut self, buffer: u8) -> Result<Option<u32>, DeviceError> {
        let pool = &self.host.pool;
        let offset = pool.buffer_offset(buffer);
        loop {
            match self.endpoint.recv_into(pool.region(), offset, BUFFER_BYTES as usize)? {
                Received::Frame(length @ 14..=MAX_FRAME) => {
                    if length < MIN_FRAME {
                        const ZEROS: [u8; MIN_FRAME] = [0; MIN_FRAME];
                        let pad = pool.region().copy_in(offset + length as u64, &ZEROS[length..]);
                        debug_assert!(pad.is_ok(), "a buffer holds the smallest frame");
                    }
                    return Ok(Some(length.max(MIN_FRAME) as u32));
                }
                Received::Frame(_) | Received::Cut => self.traffic.tx_dropped += 1,
                Received::Empty | Received::Closed => return Ok(None),
            }
        }
    }

    /// Gives a frame to the driver. False: there is no room, the frame is still the caller's.
    fn send(&mut self, buffer: u8, length: u32) -> Result<bool, DeviceError> {
        let mut result = self.call_transmit(buffer, length);
        if matches!(result, Err(CallError::Fault(_))) && self.failed.is_none() {
            // the frame never left: the doorbell was not rung
            result = self.call_transmit(buffer, length);
        }
        if matches!(result, Err(CallError::Fault(_))) && self.version(Entry::Transmit) == Version::Alternate {
            // the second version has nothing to do with that
            result = self.call_transmit(buffer, length);
        }
        if matches!(result, Err(CallError::Driver(Error::Busy))) {
            return Ok(false);
        }
        self.host.buffers.give_back(buffer);
        match result {
            Ok(()) => {
                self.traffic.tx_bytes += u64::from(length);
                self.sending_since.get_or_insert_with(Instant::now);
                self.frame_went_through();
                self.frame_was_given();
                Ok(true)
            }
            Err(error) => {
                self.traffic.tx_dropped += 1;
                if let CallError::Driver(error) = error {
                    self.after_error(Entry::Transmit, error)?;
                    return Ok(true);
                }
                if self.failed.is_some() {
                    return Err(self.entry_error(Entry::Transmit, error));
                }
                if let Some(report) = self.reports.last_mut() {
                    report.frames_lost += u64::from(matches!(error, CallError::Fault(_)));
                }
                Ok(true)
            }
        }
    }

    /// Whether a poll was broken off that could have gone on: [`NetDevice::serve_interrupt`] goes on with it.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Polls until the driver has no more, or others want their turn. A poll that faults is made again: its work is
    /// still there.
    pub(super) fn poll_all(&mut self) -> Result<(), DeviceError> {
        let before = self.host.buffers.lent();
        self.more = false;
        let mut polls = 0;
        loop {
            match self.call_poll() {
                Ok(n) => {
                    if n > 0 {
                        self.frame_went_through();
                    }
                    polls += 1;
                    self.more = n == BUDGET && polls == POLLS;
                    if n < BUDGET || self.more {
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
            self.sending_since = None;
        } else if after < before {
            self.sending_since = Some(Instant::now());
        }
        Ok(())
    }

    fn frame_went_through(&mut self) {
        if self.reports.waits_for_frame() {
            let now = self.host.now();
            self.reports.frame_went_through(now);
        }
    }

    /// Asks the driver for the link and mirrors it to the endpoint.
    pub(super) fn update_link(&mut self) -> Result<(), DeviceError> {
        let link = self.entry(Entry::Link, |cx| D::link(cx))?;
        if link != self.link {
            tracing::info!(device = %self.name, up = link.up, speed = link.speed, full_duplex = link.full_duplex, "link");
        }
        self.endpoint.set_carrier(link.up)?;
        self.link = link;
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
        self.sending_since.is_some()
    }
}
