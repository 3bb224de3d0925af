//! Register maps, and access to registers through them.

use core::marker::PhantomData;

use crate::abi::Request;
use crate::{Clock, Error, Micros, Services};

/// What reading and writing a register does, and so how it is shadowed, journalled and undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is written is what is read. Served from the shadow; a write is undone on abort.
    Config,
    /// Like `Config`, and holds a bus address: one that is not DMA memory of this device (or 0) is a fault.
    DmaAddress,
    /// The device changes it; only read.
    ReadOnly,
    /// Reading clears it: what a failed call read is presented again.
    ReadClears,
    /// Each read takes the next of what has come, 0 when there is nothing: what a failed call took is given again.
    Fifo,
    /// Writing ones clears causes: what a failed call acknowledged counts as pending again.
    WriteOneClears,
    /// A write hands work to the device: held back until commit, dropped on abort.
    Doorbell,
    /// A doorbell whose value says all that the earlier ones said: an index up to which the device may go. Of several
    /// writes with nothing else held back between them only the last reaches the device.
    Tail,
    /// Like `Config`, but the device does not tell it back.
    WriteOnly,
    /// A write acts at once and cannot be written back; an abort runs the driver's `restore`. The device changes it.
    Command,
}

impl Kind {
    /// For people, and for who looks at a device from outside.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::DmaAddress => "dma-address",
            Kind::ReadOnly => "read-only",
            Kind::ReadClears => "read-clears",
            Kind::Fifo => "fifo",
            Kind::WriteOneClears => "write-one-clears",
            Kind::Doorbell => "doorbell",
            Kind::Tail => "tail",
            Kind::WriteOnly => "write-only",
            Kind::Command => "command",
        }
    }
}

/// Width of a register: `u8`, `u16` or `u32`.
pub trait RegisterWidth: Copy + Into<u32> {
    /// Bytes.
    const BYTES: u8;
    /// Takes the low bits.
    fn cut(value: u32) -> Self;
}

impl RegisterWidth for u8 {
    const BYTES: u8 = 1;
    fn cut(value: u32) -> u8 {
        value as u8
    }
}
impl RegisterWidth for u16 {
    const BYTES: u8 = 2;
    fn cut(value: u32) -> u16 {
        value as u16
    }
}
impl RegisterWidth for u32 {
    const BYTES: u8 = 4;
    fn cut(value: u32) -> u32 {
        value
    }
}

/// One declared register: what the framework knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterInfo {
    /// Datasheet name.
    pub name: &'static str,
    /// Offset in bytes in the BAR.
    pub offset: u16,
    /// Width in bytes.
    pub width: u8,
    /// See [`Kind`].
    pub kind: Kind,
    /// How many registers of this kind follow each other, each `width` bytes on.
    pub count: u16,
}

/// A register of width `W`: made by [`crate::register_map!`].
#[derive(Debug, Clone, Copy)]
pub struct Reg<W> {
    offset: u16,
    /// Its writes wait for the commit anyway, so nothing is to be heard of them.
    doorbell: bool,
    /// And the last of them says all.
    tail: bool,
    width: PhantomData<W>,
}

impl<W: RegisterWidth> Reg<W> {
    /// The register at `offset`. Drivers declare a map instead.
    #[must_use]
    pub const fn at(offset: u16) -> Reg<W> {
        Reg { offset, doorbell: false, tail: false, width: PhantomData }
    }

    /// The register at `offset`, declared as `kind`. Drivers declare a map instead.
    #[must_use]
    pub const fn of(offset: u16, kind: Kind) -> Reg<W> {
        let (doorbell, tail) = (matches!(kind, Kind::Doorbell | Kind::Tail), matches!(kind, Kind::Tail));
        Reg { offset, doorbell, tail, width: PhantomData }
    }

    /// Offset in bytes.
    #[must_use]
    pub const fn offset(self) -> u16 {
        self.offset
    }
}

/// Declares a register map: constants for the driver, and `REGISTERS`, the table for the framework.
///
/// `NAME: width = offset, Kind;` is one register, `NAME[n]: width = offset, Kind;` an array of `n`.
#[macro_export]
macro_rules! register_map {
    ($($(#[$doc:meta])* $name:ident $([$count:literal])? : $width:ty = $offset:literal, $kind:ident;)*) => {
        $($crate::register_map!(@constant $(#[$doc])* $name $([$count])? : $width = $offset, $kind);)*

        /// Every register of this map, for the framework.
        pub const REGISTERS: &[$crate::RegisterInfo] = &[$($crate::RegisterInfo {
            name: stringify!($name),
            offset: $offset,
            width: <$width as $crate::RegisterWidth>::BYTES,
            kind: $crate::Kind::$kind,
            count: $crate::register_map!(@count $($count)?),
        }),*];
    };
    (@constant $(#[$doc:meta])* $name:ident : $width:ty = $offset:literal, $kind:ident) => {
        $(#[$doc])*
        pub const $name: $crate::Reg<$width> = $crate::Reg::of($offset, $crate::Kind::$kind);
    };
    (@constant $(#[$doc:meta])* $name:ident [$count:literal] : $width:ty = $offset:literal, $kind:ident) => {
        $(#[$doc])*
        pub const $name: [$crate::Reg<$width>; $count] = {
            let mut all = [$crate::Reg::of($offset, $crate::Kind::$kind); $count];
            let mut i = 0;
            while i < $count {
                let offset = $offset + i as u16 * <$width as $crate::RegisterWidth>::BYTES as u16;
                all[i] = $crate::Reg::of(offset, $crate::Kind::$kind);
                i += 1;
            }
            all
        };
    };
    (@count) => { 1 };
    (@count $count:literal) => { $count };
}

/// Two maps as one: the registers of a device, and those of the controller that it is behind. `N` is how many entries both
/// have together.
#[must_use]
pub const fn joined<const N: usize>(first: &[RegisterInfo], second: &[RegisterInfo]) -> [RegisterInfo; N] {
    assert!(N == first.len() + second.len(), "N is not how many there are");
    let mut all = [second[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// Access to the device's registers.
#[derive(Clone, Copy)]
pub struct Registers<'a> {
    services: &'a dyn Services,
}

impl<'a> Registers<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> Registers<'a> {
        Registers { services }
    }

    /// Reads a register, from the shadow if it is of kind [`Kind::Config`].
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Bus`].
    pub fn read<W: RegisterWidth>(&self, register: Reg<W>) -> Result<W, Error> {
        let words = [u64::from(register.offset), u64::from(W::BYTES), 0, 0];
        self.services.request(Request::RegisterRead, words).map(|value| W::cut(value as u32))
    }

    /// Reads a register in which no device has all ones: a bus without a device does.
    ///
    /// # Errors
    /// [`Error::Gone`] for all ones too, [`Error::Bus`].
    pub fn read_present<W: RegisterWidth>(&self, register: Reg<W>) -> Result<W, Error> {
        let value = self.read(register)?;
        let word: u32 = value.into();
        if word == W::cut(u32::MAX).into() { Err(Error::Gone) } else { Ok(value) }
    }

    /// Writes a register, as its [`Kind`] says: now, or on commit.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Bus`].
    pub fn write<W: RegisterWidth>(&self, register: Reg<W>, value: W) -> Result<(), Error> {
        let words =
            [u64::from(register.offset), u64::from(W::BYTES), u64::from(value.into()), u64::from(register.tail)];
        if register.doorbell {
            return self.services.post(Request::RegisterWrite, words);
        }
        self.services.request(Request::RegisterWrite, words).map(|_| ())
    }

    /// Reads `register`, in which no device has all ones, until `ready` says yes, and gives that value.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `deadline`, [`Error::Gone`], also for all ones, [`Error::Bus`].
    pub fn wait<W: RegisterWidth>(
        &self,
        register: Reg<W>,
        deadline: Micros,
        ready: impl Fn(W) -> bool,
    ) -> Result<W, Error> {
        /// Between two looks: about what a slow bus access costs. The host's scheduler makes it five times that.
        const STEP: Micros = Micros(10);
        /// Looks before the first pause: most of what is waited for takes a chip a microsecond or two.
        const QUICK: u32 = 5;
        /// Looks that are made in any case: when it is this process that was slow, the device is not to blame.
        const LOOKS: u32 = 10;
        let clock = Clock::new(self.services);
        let end = clock.now()? + deadline.0;
        let mut looks = 0;
        loop {
            looks += 1;
            let value = self.read_present(register)?;
            if ready(value) {
                return Ok(value);
            }
            if looks >= LOOKS && clock.now()? >= end {
                return Err(Error::Timeout { register: register.offset, value: value.into() });
            }
            if looks >= QUICK {
                clock.pause(STEP)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bus without a device, whatever the width.
    struct Nobody;

    impl Services for Nobody {
        fn request(&self, request: Request, [_, width, ..]: [u64; 4]) -> Result<u64, Error> {
            Ok(if request == Request::RegisterRead { u64::MAX >> (64 - 8 * width) } else { 0 })
        }
    }

    #[test]
    fn all_ones_are_no_device() {
        let regs = Registers::new(&Nobody);
        assert_eq!(regs.read_present(Reg::<u8>::at(0)), Err(Error::Gone));
        assert_eq!(regs.read_present(Reg::<u16>::at(0)), Err(Error::Gone));
        assert_eq!(regs.read_present(Reg::<u32>::at(0)), Err(Error::Gone));
        assert_eq!(regs.read(Reg::<u8>::at(0)), Ok(0xff));
        // though it would do, and at once
        assert_eq!(regs.wait(Reg::<u16>::at(0), Micros(u64::MAX), |_| true), Err(Error::Gone));
    }
}
