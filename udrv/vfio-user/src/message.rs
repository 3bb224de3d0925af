//! The messages, field by field, and their numbers.
//!
//! All fields are in the host's order, which is little endian here. A message is a [`Header`] and a body.

/// Declares a message body: a structure without padding that can be put into bytes and taken from them.
macro_rules! body {
    ($(#[$of:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl $name {
            /// Bytes.
            pub const SIZE: usize = 0 $(+ size_of::<$type>())*;

            /// Appends it to `bytes`.
            pub fn put(&self, bytes: &mut Vec<u8>) {
                $(bytes.extend_from_slice(&self.$field.to_le_bytes());)*
            }

            /// It as bytes.
            #[must_use]
            pub fn bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(Self::SIZE);
                self.put(&mut bytes);
                bytes
            }

            /// Takes one from the start of `bytes`, and gives what follows it; `None` when they are too few.
            #[must_use]
            pub fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
                $(
                    let (field, bytes) = bytes.split_first_chunk()?;
                    let $field = <$type>::from_le_bytes(*field);
                )*
                Some((Self { $($field,)* }, bytes))
            }
        }
    };
}

body! {
    /// What each message begins with.
    Header {
        /// Chosen by the sender of a command, and repeated in its reply.
        id: u16,
        /// Which command; a constant of [`Header`].
        command: u16,
        /// Bytes of the message, this header included.
        size: u32,
        /// Command or reply, and the bits [`Header::NO_REPLY`] and [`Header::ERROR`].
        flags: u32,
        /// errno of a reply with [`Header::ERROR`].
        error: u32,
    }
}

impl Header {
    /// Negotiates version and limits; the first message.
    pub const VERSION: u16 = 1;
    /// Lets the device reach memory, whose descriptor comes along.
    pub const DMA_MAP: u16 = 2;
    /// Takes memory back.
    pub const DMA_UNMAP: u16 = 3;
    /// Asks what the device is.
    pub const DEVICE_GET_INFO: u16 = 4;
    /// Asks about a region: a BAR, or configuration space.
    pub const DEVICE_GET_REGION_INFO: u16 = 5;
    /// Asks about an interrupt index.
    pub const DEVICE_GET_IRQ_INFO: u16 = 7;
    /// Sets up, masks or unmasks interrupts.
    pub const DEVICE_SET_IRQS: u16 = 8;
    /// Reads from a region.
    pub const REGION_READ: u16 = 9;
    /// Writes to a region.
    pub const REGION_WRITE: u16 = 10;
    /// Resets the device.
    pub const DEVICE_RESET: u16 = 13;

    /// Bits of `flags` that tell command (0) and reply (1).
    pub const TYPE: u32 = 0xf;
    /// Value of those bits in a reply.
    pub const REPLY: u32 = 1;
    /// Flag of a command: no reply is wanted.
    pub const NO_REPLY: u32 = 1 << 4;
    /// Flag of a reply: the command failed with `error`.
    pub const ERROR: u32 = 1 << 5;

    /// A command. The size is filled in when it is sent.
    #[must_use]
    pub fn command(id: u16, command: u16) -> Header {
        Header { id, command, ..Header::default() }
    }

    /// The reply to this command.
    #[must_use]
    pub fn reply(&self) -> Header {
        Header { flags: Header::REPLY, ..Header::command(self.id, self.command) }
    }

    /// The reply to this command that says that it failed.
    #[must_use]
    pub fn error(&self, errno: u32) -> Header {
        Header { flags: Header::REPLY | Header::ERROR, error: errno, ..self.reply() }
    }

    /// Whether the sender of this command wants no reply.
    #[must_use]
    pub fn wants_no_reply(&self) -> bool {
        self.flags & Header::NO_REPLY != 0
    }
}

body! {
    /// Body of `DMA_MAP`; the reply has none.
    DmaMap {
        /// Bytes of this structure.
        argsz: u32,
        /// [`DmaMap::READ`] and [`DmaMap::WRITE`].
        flags: u32,
        /// Where the memory begins in the descriptor.
        offset: u64,
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    }
}

impl DmaMap {
    /// The device may read.
    pub const READ: u32 = 1 << 0;
    /// The device may write.
    pub const WRITE: u32 = 1 << 1;
}

body! {
    /// Body of `DMA_UNMAP` and of its reply.
    DmaUnmap {
        /// Bytes of this structure.
        argsz: u32,
        /// [`DmaUnmap::DIRTY_PAGES`] and [`DmaUnmap::ALL`].
        flags: u32,
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    }
}

impl DmaUnmap {
    /// Asks which pages were written.
    pub const DIRTY_PAGES: u32 = 1 << 0;
    /// All mappings; address and size are 0.
    pub const ALL: u32 = 1 << 1;
}

body! {
    /// Body of `DEVICE_GET_INFO` and of its reply.
    DeviceInfo {
        /// Bytes of this structure.
        argsz: u32,
        /// [`DeviceInfo::RESET`] and [`DeviceInfo::PCI`].
        flags: u32,
        /// How many regions there are.
        regions: u32,
        /// How many interrupt indices there are.
        irqs: u32,
    }
}

impl DeviceInfo {
    /// It can be reset.
    pub const RESET: u32 = 1 << 0;
    /// It is a PCI function.
    pub const PCI: u32 = 1 << 1;
}

body! {
    /// Body of `DEVICE_GET_REGION_INFO` and of its reply.
    RegionInfo {
        /// Bytes of this structure.
        argsz: u32,
        /// [`RegionInfo::READ`] and [`RegionInfo::WRITE`].
        flags: u32,
        /// Which region: 0 to 5 are the BARs.
        index: u32,
        /// Where capabilities begin; 0 for none.
        cap_offset: u32,
        /// Bytes; 0 is a region that is not there.
        size: u64,
        /// Where it begins in a descriptor that can be mapped.
        offset: u64,
    }
}

impl RegionInfo {
    /// It can be read.
    pub const READ: u32 = 1 << 0;
    /// It can be written.
    pub const WRITE: u32 = 1 << 1;
    /// Index of configuration space.
    pub const CONFIG: u32 = 7;
    /// How many regions a PCI function has: BARs, ROM, configuration space, VGA.
    pub const COUNT: u32 = 9;
}

body! {
    /// Body of `DEVICE_GET_IRQ_INFO` and of its reply.
    IrqInfo {
        /// Bytes of this structure.
        argsz: u32,
        /// [`IrqInfo::EVENTFD`], [`IrqInfo::MASKABLE`], [`IrqInfo::AUTOMASKED`].
        flags: u32,
        /// Which kind of interrupt: [`IrqInfo::INTX`], ...
        index: u32,
        /// How many of them there are.
        count: u32,
    }
}

impl IrqInfo {
    /// It signals an eventfd.
    pub const EVENTFD: u32 = 1 << 0;
    /// It can be masked.
    pub const MASKABLE: u32 = 1 << 1;
    /// It is masked by being signalled.
    pub const AUTOMASKED: u32 = 1 << 2;
    /// How many are set up cannot be changed.
    pub const NORESIZE: u32 = 1 << 3;
    /// Index of INTx.
    pub const INTX: u32 = 0;
    /// Index of MSI.
    pub const MSI: u32 = 1;
    /// How many indices a PCI function has: INTx, MSI, MSI-X, error, request.
    pub const COUNT: u32 = 5;
}

body! {
    /// Body of `DEVICE_SET_IRQS`; the reply has none.
    SetIrqs {
        /// Bytes of this structure and its data.
        argsz: u32,
        /// One of the `DATA_` bits and one of the `ACTION_` bits.
        flags: u32,
        /// Which kind of interrupt.
        index: u32,
        /// The first of them.
        start: u32,
        /// How many; 0 with [`SetIrqs::ACTION_TRIGGER`] and [`SetIrqs::DATA_NONE`] takes all eventfds away.
        count: u32,
    }
}

impl SetIrqs {
    /// No data.
    pub const DATA_NONE: u32 = 1 << 0;
    /// A byte each.
    pub const DATA_BOOL: u32 = 1 << 1;
    /// An eventfd each; none takes it away.
    pub const DATA_EVENTFD: u32 = 1 << 2;
    /// Mask.
    pub const ACTION_MASK: u32 = 1 << 3;
    /// Unmask.
    pub const ACTION_UNMASK: u32 = 1 << 4;
    /// Signal now, or set what is signalled.
    pub const ACTION_TRIGGER: u32 = 1 << 5;
}

body! {
    /// Body of `REGION_READ`, `REGION_WRITE` and their replies; data follows in a write and in the reply to a read.
    RegionAccess {
        /// Bytes from the region's start.
        offset: u64,
        /// Which region.
        region: u32,
        /// Bytes of data.
        count: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_sizes_of_the_specification_and_no_padding() {
        let sizes = [
            Header::SIZE,
            DmaMap::SIZE,
            DmaUnmap::SIZE,
            DeviceInfo::SIZE,
            RegionInfo::SIZE,
            IrqInfo::SIZE,
            SetIrqs::SIZE,
            RegionAccess::SIZE,
        ];
        assert_eq!(sizes, [16, 32, 24, 16, 32, 16, 20, 16]);
        let access = RegionAccess { offset: 0x1122_3344_5566_7788, region: 7, count: 4 };
        let bytes = access.bytes();
        assert_eq!(bytes, [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 7, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(RegionAccess::take(&bytes), Some((access, &[][..])));
    }

    #[test]
    fn what_is_too_short_is_no_message() {
        let bytes = Header::command(1, Header::VERSION).bytes();
        for length in 0..Header::SIZE {
            assert_eq!(Header::take(&bytes[..length]), None);
        }
        assert_eq!(Header::take(&[&bytes[..], &[9]].concat()).unwrap().1, [9]);
    }
}
