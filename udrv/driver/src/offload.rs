//! Work that a chip does for the host: checksums, and cutting long TCP packets into segments.

/// What a chip can do, see [`crate::NetDriver::OFFLOADS`]. What it cannot, the host does before the driver sees the
/// frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offloads {
    /// Fills in the checksum of TCP or UDP on the way out.
    pub tx_checksum: bool,
    /// Cuts TCP over IPv4 into segments.
    pub segment_ipv4: bool,
    /// Cuts TCP over IPv6 into segments.
    pub segment_ipv6: bool,
    /// Checks the checksum of TCP or UDP on the way in: see [`crate::Buffers::deliver_checked`].
    pub rx_checksum: bool,
}

impl Offloads {
    /// Nothing.
    pub const NONE: Offloads =
        Offloads { tx_checksum: false, segment_ipv4: false, segment_ipv6: false, rx_checksum: false };

    /// Whether frames longer than the wire's come.
    #[must_use]
    pub const fn segments(self) -> bool {
        self.segment_ipv4 || self.segment_ipv6
    }
}

/// What is left to the chip for one frame. The host never asks for more than [`crate::NetDriver::OFFLOADS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    /// Where the checksummed part begins: bytes from the start of the frame to the TCP or UDP header. 0: no checksum is
    /// asked for.
    pub checksum_start: u16,
    /// Where in that part the checksum is; it holds the sum of the pseudo header.
    pub checksum_offset: u16,
    /// Bytes of payload in each segment; 0: the frame goes as it is. Else it is a TCP packet, prepared as chips for
    /// NDIS's large send want it: no length and no checksum in the IP header, no length in the pseudo header's sum.
    pub segment: u16,
    /// Bytes of headers, up to the end of TCP's; they go before each segment. 0 without segments.
    pub headers: u16,
    /// Bytes up to the IP header. 0 without segments.
    pub ip_start: u16,
    /// IPv6, else IPv4. False without segments.
    pub ipv6: bool,
}
