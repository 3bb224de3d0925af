//! What the mouse makes of a byte of the host (IBM PS/2 technical reference, "Mouse Controller", commands).

use crate::codes::{SYNAPTICS, answer, command};
use crate::config::Variant;
use crate::mouse::Mouse;
use crate::state::Setting;

/// What a Synaptics touchpad says to "identify": minor version, its mark, model and major version.
const IDENTITY: [u8; 3] = [0x02, SYNAPTICS, 0x17];

/// What a keyboard says to READ ID.
const KEYBOARD: [u8; 3] = [answer::ACK, 0xab, 0x83];

impl Mouse {
    /// A byte of the host is here.
    pub(crate) fn receive(&mut self, byte: u8) {
        if !self.plugged_in || self.test_ends.is_some() {
            self.counters.unheard += 1;
            return;
        }
        let on = self.trouble.on;
        let is_command = self.state.expects.is_none() && !self.state.set.wrap;
        if is_command && on.unplug_at == Some(byte) {
            self.note(byte);
            self.unplug();
        } else if on.silent || on.resend_for_ever || on.keyboard {
            self.receive_wrongly(byte, is_command);
        } else if byte == command::RESET {
            self.note(byte);
            self.say(&[answer::ACK]);
            self.restart(self.config.think + on.late + self.config.byte);
        } else if self.state.set.wrap {
            self.wrap(byte);
        } else if let Some(setting) = self.state.expects.take() {
            if self.state.take(setting, byte, self.config.variant) {
                self.state.refused = false;
                if setting == Setting::Rate {
                    self.sampled = self.now;
                }
                self.say(&[answer::ACK]);
            } else if self.refuse() {
                self.state.expects = Some(setting);
            }
        } else {
            self.obey(byte);
        }
    }

    fn receive_wrongly(&mut self, byte: u8, is_command: bool) {
        if is_command {
            self.note(byte);
        }
        let on = self.trouble.on;
        if on.silent {
            return;
        }
        if on.resend_for_ever {
            self.say(&[answer::RESEND]);
            return;
        }
        match byte {
            command::READ_ID => self.say(&KEYBOARD),
            command::RESET => {
                self.say(&[answer::ACK]);
                self.restart(self.config.think + self.config.byte);
            }
            _ => self.say(&[answer::ACK]),
        }
    }

    fn wrap(&mut self, byte: u8) {
        if byte == command::RESET_WRAP_MODE {
            self.note(byte);
            self.state.set.wrap = false;
            self.say(&[answer::ACK]);
        } else {
            self.say(&[byte]);
        }
    }

    /// RESEND the first time, and then the host may say it again; ERROR the second.
    fn refuse(&mut self) -> bool {
        let again = !std::mem::replace(&mut self.state.refused, true);
        if !again {
            self.state.refused = false;
        }
        self.say(&[if again { answer::RESEND } else { answer::ERROR }]);
        again
    }

    fn obey(&mut self, byte: u8) {
        self.note(byte);
        let set = &mut self.state.set;
        match byte {
            command::SET_SCALING_1_1 => set.doubled = false,
            command::SET_SCALING_2_1 => set.doubled = true,
            command::SET_RESOLUTION => self.state.expects = Some(Setting::Resolution),
            command::SET_RATE => self.state.expects = Some(Setting::Rate),
            command::SET_STREAM_MODE => set.remote = false,
            command::SET_REMOTE_MODE => set.remote = true,
            command::SET_WRAP_MODE => set.wrap = true,
            // not in wrap mode: there is nothing to leave
            command::RESET_WRAP_MODE => {}
            command::ENABLE => (set.enabled, self.sampled) = (true, self.now),
            command::DISABLE => set.enabled = false,
            command::SET_DEFAULT => self.state.set_default(),
            command::STATUS_REQUEST | command::READ_ID | command::READ_DATA => {
                let mut says = vec![answer::ACK];
                match byte {
                    command::READ_ID => says.push(set.id),
                    // scaling is of stream mode
                    command::READ_DATA => says.extend(self.motion.packet(set.id, false)),
                    _ if self.config.variant == Variant::Synaptics && self.state.is_identify() => says.extend(IDENTITY),
                    _ => says.extend(self.state.status(self.motion.buttons)),
                }
                self.state.end_query();
                self.state.refused = false;
                self.say(&says);
                return;
            }
            command::RESEND => {
                self.say_again();
                return;
            }
            _ => {
                self.refuse();
                return;
            }
        }
        self.state.refused = false;
        if byte != command::SET_RESOLUTION {
            self.state.end_query();
        }
        self.say(&[answer::ACK]);
    }
}
