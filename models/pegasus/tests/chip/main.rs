//! The adapter seen from its plugs: requests, transfers, frames.

mod bench;
mod endpoints;
mod far_host;
mod linux;
mod misbehave;
mod plug;
mod receive;
mod registers;
mod requests;
mod transmit;
