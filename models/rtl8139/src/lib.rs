//! The RTL8139 Fast Ethernet controller in software.
