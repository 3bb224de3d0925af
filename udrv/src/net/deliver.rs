//! What a call that is good has staged comes true: frames go up, descriptors are handed over, doorbells ring.

use std::sync::atomic::Ordering::{Relaxed, Release};

use udrv_driver::NetDriver;

use super::NetDevice;
use super::merge::{Packet, Up};
use crate::dma::DmaRegion;
use crate::endpoint::{EndpointError, Merged, NetEndpoint, Sent};
use crate::host::Delivered;
use crate::keep::Record;
use crate::net::Traffic;

impl<D: NetDriver> NetDevice<D> {
    /// The call has returned and is right: frames go up, descriptors are handed over and doorbells ring.
    pub(crate) fn release_output(&mut self) {
        if self.host.delivered() > 0 {
            self.send_up();
        }
        self.class.traffic.tx_frames += self.host.sent;
        self.class.traffic.tx_lost += self.host.lost;
        self.ring();
    }

    /// Gives the endpoint what was delivered, straight from the device's memory, and notes what has gone up.
    fn send_up(&mut self) {
        let host = &self.host;
        let region = host.pool.region();
        let (endpoint, traffic) = (&mut *self.class.endpoint, &mut self.class.traffic);
        // what the chip says of checksums counts only if that is left to it
        let left_to_chip = self.class.offloads.rx_checksum;
        let frames = host.to_go_up().map(|frame| Delivered { checked: frame.checked && left_to_chip, ..frame });
        let kept = &host.kept;
        if endpoint.takes_merged() {
            self.class.merger.merge(region, frames, |up| match up {
                Up::Frame(frame) => give(kept, 1 << frame.number, || send_frame(endpoint, region, frame, traffic)),
                Up::Packet(packet) => give(kept, packet.frames, || send_packet(endpoint, region, &packet, traffic)),
            });
        } else {
            for frame in frames {
                give(kept, 1 << frame.number, || send_frame(endpoint, region, frame, traffic));
            }
        }
        host.kept.delivered.clear();
    }
}

/// Gives the endpoint some of what was delivered, and notes that for a successor: before it, what goes up, and after it
/// that it has.
fn give(kept: &Record, frames: u64, send: impl FnOnce() -> bool) {
    kept.going_up.store(frames, Release);
    let taken = send();
    // the count last: as long as it is behind the host's, what was going up has gone up
    kept.gone_up.store(kept.gone_up.load(Relaxed) | frames, Release);
    kept.going_up.store(0, Release);
    kept.given.store(kept.given.load(Relaxed) + u64::from(taken), Release);
}

fn send_frame(
    endpoint: &mut dyn NetEndpoint,
    region: &DmaRegion,
    Delivered { place, length, checked, .. }: Delivered,
    traffic: &mut Traffic,
) -> bool {
    let sent = if checked {
        endpoint.send_checked(region, place, length as usize)
    } else {
        endpoint.send_from(region, place, length as usize)
    };
    count(&sent, 1, length.into(), traffic)
}

fn send_packet(endpoint: &mut dyn NetEndpoint, region: &DmaRegion, packet: &Packet<'_>, traffic: &mut Traffic) -> bool {
    let merged = Merged { headers: packet.headers, pieces: packet.pieces, offload: packet.offload };
    let sent = endpoint.send_merged(region, &merged);
    let frames = packet.pieces.len() as u64;
    let taken = count(&sent, frames, packet.frame_bytes, traffic);
    if taken {
        traffic.rx_merged += frames;
    }
    taken
}

/// Counts frames that went up, or did not. True if they did.
fn count(sent: &Result<Sent, EndpointError>, frames: u64, bytes: u64, traffic: &mut Traffic) -> bool {
    match sent {
        Ok(Sent::Done) => {
            traffic.rx_frames += frames;
            traffic.rx_bytes += bytes;
            return true;
        }
        Ok(Sent::Full | Sent::Down | Sent::Closed) => {}
        Err(error) => tracing::debug!(%error, "a received frame was not taken"),
    }
    traffic.rx_dropped += frames;
    false
}
