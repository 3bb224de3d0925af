//! Clients of both protocols, small ones, and a Pegasus behind them.

mod bench;
mod server;
mod usbip;
mod usbredir;
