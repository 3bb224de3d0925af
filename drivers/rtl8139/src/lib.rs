//! Driver for the RTL8139 Fast Ethernet controller, legacy mode.
