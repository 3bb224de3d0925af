//! Committed images of a domain's state, in a sealed memfd, good at any instruction.
//!
//! ```text
//!   +--------+---------+---------+-- ... --+--------+--------+---------+
//!   | header | image 0 | image 1 |         | ledger | state  | scratch |
//!   +--------+---------+---------+-- ... --+--------+--------+---------+
//! ```
//!
//! The live ledger and state sit behind N images of them. A commit copies both into the oldest image and then
//! stores the new generation number with one 8-byte store: killed before, the last image holds; killed after, the new one
//! does. A later process that was given the memfd adopts the last image; it refuses a header that it does
//! not know.
//!
//! An image may have a checksum, of its content and its generation: whoever adopts it then sees whether it was spoilt since.
//!
//! Image g % N holds generation g, so the last N generations are there to go back to. The next commit may overwrite
//! the one that was gone back to: it copies from the live parts, and until it is done the last image holds.

use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};

use crate::memory::{PAGE, pages};

/// "fgftimg1", little-endian.
const MAGIC: u64 = u64::from_le_bytes(*b"fgftimg1");
/// Version of this layout.
const FORMAT: u32 = 2;
/// Bytes of the scratch area: result slot and panic note.
pub(crate) const SCRATCH: usize = PAGE;
/// Images, and the ledgers in them, start at multiples of this.
pub(crate) const ALIGNMENT: usize = 64;
/// Limits that a header must keep, so that sizes cannot overflow.
const MAX_IMAGES: u32 = 64;
const MAX_STATE: usize = 1 << 24;
/// More commits than anyone makes: counting on cannot overflow.
const MAX_GENERATION: u64 = 1 << 62;

/// Which state it is: checked when an image is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKind {
    /// Name of the state's type, for example the driver's name. At most 32 bytes.
    pub name: &'static str,
    /// Version of its layout: change it when the layout changes.
    pub version: u32,
}

/// Why an image cannot be adopted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not such a memfd, or not sealed.
    #[error("not a sealed image file: {0}")]
    NotAnImage(String),
    /// Another layout of this crate.
    #[error("image format {found}, this program knows {known}")]
    Format {
        /// In the file.
        found: u32,
        /// Here.
        known: u32,
    },
    /// Another state.
    #[error("the image holds {found}, this program needs {needed}")]
    Kind {
        /// In the file.
        found: String,
        /// Here.
        needed: String,
    },
    /// The last image is not what was committed.
    #[error("the last image was spoilt: its checksum is wrong")]
    Spoilt,
    /// Nothing was ever committed.
    #[error("the image was never committed")]
    Empty,
}

#[repr(C)]
pub(crate) struct Header {
    magic: u64,
    format: u32,
    images: u32,
    version: u32,
    /// Not 0: images have checksums.
    checked: AtomicU32,
    state_size: u64,
    ledger_size: u64,
    name: [u8; 32],
    /// Generation of the last commit; image `generation % images` holds it. 0: none yet.
    generation: AtomicU64,
}

/// Where the parts are, in bytes from the start of the file. All page aligned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) images: usize,
    pub(crate) state_size: usize,
    pub(crate) ledger_size: usize,
    /// The ledger follows the state inside an image, 64-byte aligned.
    ledger_in_image: usize,
    /// The checksum is behind both.
    checksum_in_image: usize,
    pub(crate) image_size: usize,
    pub(crate) ledger: usize,
    pub(crate) state: usize,
    pub(crate) scratch: usize,
    pub(crate) total: usize,
}

impl Layout {
    pub(crate) fn new(images: usize, state_size: usize, ledger_size: usize) -> Layout {
        assert!(images >= 2 && images <= MAX_IMAGES as usize, "2 to {MAX_IMAGES} images");
        assert!(state_size <= MAX_STATE && ledger_size <= MAX_STATE, "state and ledger are limited to 16 MiB");
        let ledger_in_image = state_size.next_multiple_of(ALIGNMENT);
        let checksum_in_image = (ledger_in_image + ledger_size).next_multiple_of(size_of::<u32>());
        let image_size = (checksum_in_image + size_of::<u32>()).next_multiple_of(ALIGNMENT);
        let ledger = PAGE + pages(images * image_size);
        let state = ledger + pages(ledger_size.max(1));
        let scratch = state + pages(state_size.max(1));
        Layout {
            images,
            state_size,
            ledger_size,
            ledger_in_image,
            checksum_in_image,
            image_size,
            ledger,
            state,
            scratch,
            total: scratch + SCRATCH,
        }
    }
}

/// The mapped header and images. Addresses are of the mapping that `domain.rs` owns.
pub(crate) struct Images {
    base: *mut u8,
    pub(crate) layout: Layout,
    /// The last commit.
    newest: u64,
    /// What `restore` restores: the newest, or the one that was gone back to since.
    current: u64,
    /// No image before this one is known to be whole.
    first: u64,
    /// Images get a checksum.
    checked: bool,
}

// SAFETY: plain memory owned by the domain that holds this.
unsafe impl Send for Images {}

impl Images {
    /// Writes a fresh header.
    ///
    /// # Safety
    /// `base` is a writable mapping of `layout.scratch` bytes at least, and outlives this.
    pub(crate) unsafe fn create(base: *mut u8, layout: Layout, kind: StateKind) -> Images {
        // SAFETY: page aligned, large enough, ours.
        unsafe {
            base.cast::<Header>().write(Header {
                magic: MAGIC,
                format: FORMAT,
                images: layout.images as u32,
                version: kind.version,
                checked: AtomicU32::new(0),
                state_size: layout.state_size as u64,
                ledger_size: layout.ledger_size as u64,
                name: name_bytes(kind.name),
                generation: AtomicU64::new(0),
            });
        }
        Images { base, layout, newest: 0, current: 0, first: 1, checked: false }
    }

    /// Reads the header of `file` and says which layout it has.
    pub(crate) fn examine(
        header: &[u8; size_of::<Header>()],
        file_size: usize,
        kind: StateKind,
        state_size: usize,
        ledger_size: usize,
    ) -> Result<Layout, ImageError> {
        let word = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().expect("8 bytes"));
        let half = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        if word(0) != MAGIC {
            return Err(ImageError::NotAnImage("no magic number".into()));
        }
        if half(8) != FORMAT {
            return Err(ImageError::Format { found: half(8), known: FORMAT });
        }
        let (images, version) = (half(12), half(16));
        let sizes = (word(24), word(32));
        let name = &header[40..72];
        if version != kind.version || sizes != (state_size as u64, ledger_size as u64) || name != name_bytes(kind.name)
        {
            let found = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
            return Err(ImageError::Kind {
                found: format!("{found} version {version}, {} + {} bytes", sizes.0, sizes.1),
                needed: format!("{} version {}, {state_size} + {ledger_size} bytes", kind.name, kind.version),
            });
        }
        if !(2..=MAX_IMAGES).contains(&images) {
            return Err(ImageError::NotAnImage(format!("{images} images")));
        }
        let layout = Layout::new(images as usize, state_size, ledger_size);
        if layout.total != file_size {
            return Err(ImageError::NotAnImage(format!("{file_size} bytes, expected {}", layout.total)));
        }
        checked_generation(word(std::mem::offset_of!(Header, generation)))?;
        Ok(layout)
    }

    /// Takes over a mapping whose header `examine` has accepted.
    ///
    /// # Safety
    /// As for [`Images::create`].
    pub(crate) unsafe fn adopt(base: *mut u8, layout: Layout) -> Images {
        Images { base, layout, newest: 0, current: 0, first: 1, checked: false }
    }

    /// Finds the last image of a process that makes none any more.
    pub(crate) fn catch_up(&mut self) -> Result<(), ImageError> {
        self.checked = self.header().checked.load(Ordering::Acquire) != 0;
        let newest = checked_generation(self.header().generation.load(Ordering::Acquire))?;
        // the predecessor may have died while it overwrote the oldest for a commit that never was
        self.first = (newest + 2).saturating_sub(self.layout.images as u64).max(1);
        self.newest = newest;
        self.current = newest;
        Ok(())
    }

    fn header(&self) -> &Header {
        // SAFETY: written by `create` or accepted by `examine`; other fields never change.
        unsafe { &*self.base.cast::<Header>() }
    }

    fn image(&self, generation: u64) -> *mut u8 {
        // SAFETY: within the images' part of the mapping.
        unsafe { self.base.add(PAGE + (generation % self.layout.images as u64) as usize * self.layout.image_size) }
    }

    /// Copies the live state and ledger into the oldest image and makes it the last.
    ///
    /// # Safety
    /// `state` and `ledger` point to the live ones, and nobody writes them meanwhile.
    #[inline]
    pub(crate) unsafe fn commit(&mut self, state: *const u8, ledger: *const u8) {
        let next = self.newest + 1;
        let to = self.image(next);
        // SAFETY: an image holds both; live parts and images do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(state, to, self.layout.state_size);
            std::ptr::copy_nonoverlapping(ledger, to.add(self.layout.ledger_in_image), self.layout.ledger_size);
        }
        if self.checked {
            let checksum = self.checksum(next);
            // SAFETY: within the image, aligned, behind what was just copied.
            unsafe { to.add(self.layout.checksum_in_image).cast::<u32>().write(checksum) };
        }
        self.header().generation.store(next, Ordering::Release);
        // nor may the compiler begin the next commit before this one is done
        compiler_fence(Ordering::SeqCst);
        self.newest = next;
        self.current = next;
    }

    /// From the next commit on images have checksums, or have none. Follow with a commit.
    pub(crate) fn set_checked(&mut self, checked: bool) {
        self.checked = checked;
        if !checked {
            self.header().checked.store(0, Ordering::Release);
        }
    }

    /// The last image has a checksum, and so have those that follow: a successor will ask for it.
    pub(crate) fn announce_checksums(&self) {
        self.header().checked.store(self.checked.into(), Ordering::Release);
    }

    /// Whether the last image is what was committed, as far as checksums tell.
    pub(crate) fn is_right(&self) -> bool {
        // SAFETY: within the image, aligned.
        let noted = unsafe { self.image(self.newest).add(self.layout.checksum_in_image).cast::<u32>().read() };
        !self.checked || noted == self.checksum(self.newest)
    }

    /// Of the image of `generation`.
    fn checksum(&self, generation: u64) -> u32 {
        let image = self.image(generation);
        // SAFETY: both parts are within the image, which only commits write, and they hold `self`.
        let (state, ledger) = unsafe {
            (
                std::slice::from_raw_parts(image, self.layout.state_size),
                std::slice::from_raw_parts(image.add(self.layout.ledger_in_image), self.layout.ledger_size),
            )
        };
        let mut hasher = crc32fast::Hasher::new_with_initial(generation as u32);
        hasher.update(state);
        hasher.update(ledger);
        hasher.finalize()
    }

    /// The generations that can be gone back to.
    pub(crate) fn whole(&self) -> RangeInclusive<u64> {
        (self.newest + 1).saturating_sub(self.layout.images as u64).max(self.first)..=self.newest
    }

    /// From now to the next commit `restore` restores `generation`. False if it is not whole.
    pub(crate) fn select(&mut self, generation: u64) -> bool {
        let whole = self.whole().contains(&generation);
        if whole {
            self.current = generation;
        }
        whole
    }

    /// The state's bytes in an image.
    pub(crate) fn state(&self, generation: u64) -> *const u8 {
        self.image(generation)
    }

    /// Copies state and ledger of the last commit back, or of the generation selected since.
    ///
    /// # Safety
    /// `state` and `ledger` point to the live ones, and nobody refers to them.
    pub(crate) unsafe fn restore(&self, state: *mut u8, ledger: *mut u8) {
        let from = self.image(self.current);
        // SAFETY: as in `commit`.
        unsafe {
            std::ptr::copy_nonoverlapping(from, state, self.layout.state_size);
            std::ptr::copy_nonoverlapping(from.add(self.layout.ledger_in_image), ledger, self.layout.ledger_size);
        }
    }

    /// The ledger's bytes that `restore` would restore.
    pub(crate) fn committed_ledger(&self) -> *const u8 {
        // SAFETY: within the image.
        unsafe { self.image(self.current).add(self.layout.ledger_in_image) }
    }

    /// Where the parts are.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of the last commit.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }
}

/// A number of commits that can be.
fn checked_generation(generation: u64) -> Result<u64, ImageError> {
    match generation {
        0 => Err(ImageError::Empty),
        n if n > MAX_GENERATION => Err(ImageError::NotAnImage(format!("{n} commits"))),
        n => Ok(n),
    }
}

fn name_bytes(name: &str) -> [u8; 32] {
    assert!(name.len() <= 32, "a state's name has at most 32 bytes");
    let mut bytes = [0; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// Reads the header without mapping the file.
pub(crate) fn read_header(file: &OwnedFd) -> Result<[u8; size_of::<Header>()], ImageError> {
    use std::os::unix::fs::FileExt;
    let mut header = [0; size_of::<Header>()];
    let copy = file.try_clone().map(std::fs::File::from);
    copy.and_then(|f| f.read_exact_at(&mut header, 0)).map_err(|e| ImageError::NotAnImage(e.to_string()))?;
    Ok(header)
}
