//! The mouse from outside: its line with a clock that is turned by hand, and once with a real one.
#![forbid(unsafe_code)]

mod bench;
mod commands;
mod hand;
mod misbehave;
mod packets;
mod plug;
mod port;
mod times;
mod variants;
