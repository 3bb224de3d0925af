//! The Pegasus driver on the model of its adapter, through the net class and the controller in software.

mod bench;
mod device;
mod endpoints;
mod faults;
mod misbehave;
mod moments;
mod plug;
mod transfers;
