//! What code inside has obtained from the host: logged, checked at each use, settled when the call ends.
//!
//! A [`Table`] lists objects of one [`Kind`] (buffers, timers, files), each under a [`Handle`]. Tables are plain data
//! and live in the ledger of a [`Domain`](crate::Domain), so that a rollback puts them back by copying and a successor
//! adopts them. What the copying cannot put back, the real thing behind an entry, is settled by the difference:
//!
//! | the failed or finished call | abort: [`Table::settle_abort`] | commit: [`Table::settle_commit`] |
//! |---|---|---|
//! | obtained it and has it | released, newest first | kept |
//! | obtained it and gave it back | released | released |
//! | gave back what it had before | has it again | released |
//!
//! Nothing is released before it is certain, so a given back object fills its slot until the call is settled.
//!
//! Locks are not in the ledger, since they die with the process: a [`LockLog`] keeps those that code inside holds.
//!
//! ```
//! use fgft::tracking::{Handle, Kind, Rights, Ranged, Table};
//! use fgft::{Domain, DomainConfig, DomainMemory, Refusal, StateKind, Upcalls};
//! use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! /// What the table knows of a buffer; its bytes are in `Host`.
//! #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! struct Buffer { place: u32, bytes: u32 }
//! impl Kind for Buffer { const NAME: &'static str = "buffer"; }
//! impl Ranged for Buffer { fn bytes(&self) -> u64 { self.bytes.into() } }
//!
//! struct Host { buffers: Vec<Option<Vec<u8>>> }
//! const OBTAIN: u64 = 0;
//! const FILL: u64 = 1;
//!
//! impl Upcalls<Table<Buffer, 8>> for Host {
//!     fn upcall(&mut self, table: &mut Table<Buffer, 8>, _: &DomainMemory, number: u64, words: [u64; 4])
//!     -> Result<[u64; 2], Refusal> {
//!         match number {
//!             OBTAIN => {
//!                 let handle = table.grant(Buffer { place: self.buffers.len() as u32, bytes: 64 })?;
//!                 self.buffers.push(Some(vec![0; 64]));
//!                 Ok([handle.word(), 0])
//!             }
//!             FILL => {
//!                 let [handle, offset, length, byte] = words;
//!                 let buffer = table.check(Handle::from_word(handle), offset, length, Rights::WRITE)?;
//!                 let bytes = self.buffers[buffer.place as usize].as_mut().ok_or("no such buffer")?;
//!                 bytes[offset as usize..][..length as usize].fill(byte as u8);
//!                 Ok([0, 0])
//!             }
//!             _ => Err("unknown request".into()),
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), fgft::InitError> {
//! let config = DomainConfig::new(StateKind { name: "filler", version: 1 });
//! let mut domain = Domain::<u64, Table<Buffer, 8>>::new(&config, 0, Table::new())?;
//! let mut host = Host { buffers: Vec::new() };
//!
//! // SAFETY: the closure holds nothing that must be released, and writes only the state.
//! let fault = unsafe {
//!     domain.run(&mut host, |state| {
//!         *state = fgft::upcall(OBTAIN, [0; 4])[0];
//!         fgft::upcall(FILL, [*state, 0, 65, 7])[0] // one byte too many
//!     })
//! };
//! assert!(fault.unwrap_err().to_string().contains("65 bytes at 0 do not fit into its 64"));
//!
//! domain.ledger().settle_abort(domain.committed_ledger(), |_, buffer| host.buffers[buffer.place as usize] = None);
//! domain.rollback();
//! assert_eq!((domain.state(), domain.ledger().len()), (0, 0));
//! assert!(host.buffers.iter().all(Option::is_none), "what the failed call obtained is released");
//! # Ok(())
//! # }
//! ```

mod handle;
mod lock;
mod table;

pub use handle::{Handle, Owner, Rights};
pub use lock::{Lock, LockError, LockGuard, LockLog};
pub use table::{Full, Kind, Ranged, Table};
