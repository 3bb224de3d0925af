//! Bytes on the line, by the names of the IBM PS/2 technical reference ("Mouse Controller").

/// What a host sends.
pub mod command {
    /// Scaling 1:1.
    pub const SET_SCALING_1_1: u8 = 0xe6;
    /// Scaling 2:1, of packets in stream mode.
    pub const SET_SCALING_2_1: u8 = 0xe7;
    /// Resolution; an argument follows: 0 to 3 for 1, 2, 4 and 8 counts a millimetre.
    pub const SET_RESOLUTION: u8 = 0xe8;
    /// Three bytes of status.
    pub const STATUS_REQUEST: u8 = 0xe9;
    /// Stream mode: the mouse reports by itself.
    pub const SET_STREAM_MODE: u8 = 0xea;
    /// One packet, now.
    pub const READ_DATA: u8 = 0xeb;
    /// Out of wrap mode, back to the mode before.
    pub const RESET_WRAP_MODE: u8 = 0xec;
    /// Wrap mode: every byte but RESET and this one's opposite comes back.
    pub const SET_WRAP_MODE: u8 = 0xee;
    /// Remote mode: the mouse reports only when asked.
    pub const SET_REMOTE_MODE: u8 = 0xf0;
    /// The identifier.
    pub const READ_ID: u8 = 0xf2;
    /// Sampling rate; an argument follows: one of [`super::RATES`].
    pub const SET_RATE: u8 = 0xf3;
    /// Reports in stream mode are on.
    pub const ENABLE: u8 = 0xf4;
    /// Reports in stream mode are off.
    pub const DISABLE: u8 = 0xf5;
    /// As after reset, without test and announcement.
    pub const SET_DEFAULT: u8 = 0xf6;
    /// What was sent last, again.
    pub const RESEND: u8 = 0xfe;
    /// Self test, then defaults.
    pub const RESET: u8 = 0xff;
}

/// What a mouse answers.
pub mod answer {
    /// Understood.
    pub const ACK: u8 = 0xfa;
    /// Not understood: again, please.
    pub const RESEND: u8 = 0xfe;
    /// Not understood twice, or the self test has failed.
    pub const ERROR: u8 = 0xfc;
    /// The self test (basic assurance test, BAT) has passed.
    pub const BAT_PASSED: u8 = 0xaa;
}

/// Identifiers that READ ID shows.
pub mod id {
    /// Three bytes a packet.
    pub const PS2: u8 = 0x00;
    /// A wheel: four bytes a packet.
    pub const INTELLIMOUSE: u8 = 0x03;
    /// A wheel and five buttons: four bytes a packet.
    pub const EXPLORER: u8 = 0x04;
}

/// Bits of the first byte of a packet.
pub mod packet {
    /// Button on the left.
    pub const LEFT: u8 = 1 << 0;
    /// Button on the right.
    pub const RIGHT: u8 = 1 << 1;
    /// Button in the middle.
    pub const MIDDLE: u8 = 1 << 2;
    /// Always set.
    pub const SYNC: u8 = 1 << 3;
    /// Ninth bit of the movement to the right.
    pub const X_SIGN: u8 = 1 << 4;
    /// Ninth bit of the movement away from the user.
    pub const Y_SIGN: u8 = 1 << 5;
    /// There was more to the right or left than fits.
    pub const X_OVERFLOW: u8 = 1 << 6;
    /// The same of the other direction.
    pub const Y_OVERFLOW: u8 = 1 << 7;
    /// Of the fourth byte of an Explorer: the fourth button.
    pub const SIDE: u8 = 1 << 4;
    /// Of the fourth byte of an Explorer: the fifth button.
    pub const EXTRA: u8 = 1 << 5;
}

/// Bits of the first byte of the status.
pub mod status {
    /// Button on the right.
    pub const RIGHT: u8 = 1 << 0;
    /// Button in the middle.
    pub const MIDDLE: u8 = 1 << 1;
    /// Button on the left.
    pub const LEFT: u8 = 1 << 2;
    /// Scaling is 2:1.
    pub const SCALING: u8 = 1 << 4;
    /// Reports are on.
    pub const ENABLED: u8 = 1 << 5;
    /// Remote mode.
    pub const REMOTE: u8 = 1 << 6;
}

/// Samples a second that SET SAMPLING RATE takes.
pub const RATES: [u8; 7] = [10, 20, 40, 60, 80, 100, 200];

/// What a Synaptics touchpad answers to its identify query in the middle byte of the status.
pub const SYNAPTICS: u8 = 0x47;
