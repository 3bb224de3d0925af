//! The input class: with a driver that does wrong by habit, and with that of PS/2 mice on its model.

mod class;
mod misbehave;
mod path;
mod plug;
