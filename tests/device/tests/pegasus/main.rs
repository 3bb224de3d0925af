//! The Pegasus driver on the model of its adapter, through the net class and the controller in software.

mod device;
mod faults;
mod misbehave;
mod moments;
mod plug;
mod transfers;
