//! What a call that is good has staged comes true: frames go up, descriptors are handed over, doorbells ring.

use udrv_driver::NetDriver;

use super::NetDevice;
use super::merge::{Packet, Up};
use crate::dma::DmaRegion;
use crate::endpoint::{EndpointError, Merged, NetEndpoint, Sent};
use crate::host::Delivered;
use crate::net::Traffic;

impl<D: NetDriver> NetDevice<D> {
    /// The call has returned and is right: frames go up, descriptors are handed over and doorbells ring.
    pub(crate) fn release_output(&mut self) {
        if !self.host.delivered.is_empty() {
            self.send_up();
        }
        self.class.traffic.tx_frames += self.host.sent;
        self.class.traffic.tx_lost += self.host.lost;
        self.ring();
    }

    /// Gives the endpoint what was delivered, straight from the device's memory.
    fn send_up(&mut self) {
        let region = self.host.pool.region();
        let (endpoint, traffic) = (&mut *self.class.endpoint, &mut self.class.traffic);
        // what the chip says of checksums counts only if that is left to it
        let left_to_chip = self.class.offloads.rx_checksum;
        let frames =
            self.host.delivered.drain(..).map(|frame| Delivered { checked: frame.checked && left_to_chip, ..frame });
        if endpoint.takes_merged() {
            self.class.merger.merge(region, frames, |up| match up {
                Up::Frame(frame) => send_frame(endpoint, region, frame, traffic),
                Up::Packet(packet) => send_packet(endpoint, region, &packet, traffic),
            });
        } else {
            frames.for_each(|frame| send_frame(endpoint, region, frame, traffic));
        }
    }
}

fn send_frame(
    endpoint: &mut dyn NetEndpoint,
    region: &DmaRegion,
    Delivered { place, length, checked }: Delivered,
    traffic: &mut Traffic,
) {
    let sent = if checked {
        endpoint.send_checked(region, place, length as usize)
    } else {
        endpoint.send_from(region, place, length as usize)
    };
    count(&sent, 1, length.into(), traffic);
}

fn send_packet(endpoint: &mut dyn NetEndpoint, region: &DmaRegion, packet: &Packet<'_>, traffic: &mut Traffic) {
    let merged = Merged { headers: packet.headers, pieces: packet.pieces, offload: packet.offload };
    let sent = endpoint.send_merged(region, &merged);
    let frames = packet.pieces.len() as u64;
    if count(&sent, frames, packet.frame_bytes, traffic) {
        traffic.rx_merged += frames;
    }
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
