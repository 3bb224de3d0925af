//! From the copy of a stack to return addresses, by the unwind tables of what is loaded.

use std::ffi::{CStr, c_void};
use std::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};

use crate::Stack;

/// The executable and its shared libraries, as they were when this was made.
pub(super) struct Unwinding {
    unwinder: UnwinderX86_64<Vec<u8>>,
    /// Where there is code.
    text: Vec<Range<u64>>,
    /// Where there is code of the executable, and what its addresses are relative to.
    executable: (Vec<Range<u64>>, u64),
}

impl Unwinding {
    pub(super) fn of_this_process() -> Option<Unwinding> {
        let objects = objects();
        let executable = objects.first().map(|first| (first.text.clone(), first.base))?;
        let mut unwinding = Unwinding { unwinder: UnwinderX86_64::new(), text: Vec::new(), executable };
        for object in objects {
            unwinding.text.extend(object.text.iter().cloned());
            if let Some(module) = object.into_module() {
                unwinding.unwinder.add_module(module);
            }
        }
        Some(unwinding)
    }

    /// The address in the executable's own terms, if it is of its code.
    pub(super) fn in_executable(&self, address: u64) -> Option<u64> {
        let (text, base) = &self.executable;
        text.iter().any(|t| t.contains(&address)).then(|| address.wrapping_sub(*base))
    }

    fn is_text(&self, address: u64) -> bool {
        self.text.iter().any(|t| t.contains(&address))
    }

    /// Whether a word may be a return address. The executable's code is looked at: a call must be before it.
    fn is_return_address(&self, word: u64) -> bool {
        let Some(text) = self.executable.0.iter().find(|t| t.contains(&word.wrapping_sub(1))) else {
            return self.is_text(word.wrapping_sub(1));
        };
        let start = text.start.max(word - LONGEST_CALL);
        // SAFETY: code of the executable: mapped readable, never changed, for the life of the process.
        let before = unsafe { std::slice::from_raw_parts(start as *const u8, (word - start) as usize) };
        ends_with_call(before)
    }

    /// The instruction pointer and then the return addresses, at most `most` of them. Whatever is in the copy: each
    /// step must go up the stack and end behind a call.
    pub(super) fn addresses(&self, stack: &Stack, most: usize) -> Vec<u64> {
        let mut found = vec![stack.ip];
        let mut registers = UnwindRegsX86_64::new(stack.ip, stack.sp, stack.bp);
        if !self.is_text(stack.ip) {
            // a jump to nowhere: if it was a call, its return address is on top
            match stack.word(stack.sp) {
                Some(caller) if self.in_executable(caller).is_some() && self.is_return_address(caller) => {
                    registers = UnwindRegsX86_64::new(caller, stack.sp.wrapping_add(8), stack.bp);
                    found.push(caller);
                }
                _ => return found,
            }
        }
        let mut cache = CacheX86_64::new();
        let mut read = |address| stack.word(address).ok_or(());
        while found.len() < most {
            let address = if found.len() == 1 {
                FrameAddress::InstructionPointer(registers.ip())
            } else if let Some(address) = FrameAddress::from_return_address(registers.ip()) {
                address
            } else {
                break;
            };
            let below = registers.sp();
            if stack.word(registers.bp()).is_none() {
                registers.set_bp(0); // no frame pointer; and no number that arithmetic could overflow on
            }
            let Ok(Some(caller)) = self.unwinder.unwind_frame(address, &mut registers, &mut cache, &mut read) else {
                break;
            };
            if registers.sp() <= below || !self.is_return_address(caller) {
                break;
            }
            registers.set_ip(caller);
            found.push(caller);
        }
        found
    }
}

/// Bytes of the longest call: prefix, opcode, ModRM, SIB, 4 of displacement.
const LONGEST_CALL: u64 = 8;

/// Whether a call instruction ends these bytes (Intel SDM vol. 2A, CALL): E8 and 4 bytes, or FF /2 with its operand.
fn ends_with_call(bytes: &[u8]) -> bool {
    let from_end = |n: usize| bytes.len().checked_sub(n).map(|at| &bytes[at..]);
    if from_end(5).is_some_and(|b| b[0] == 0xe8) {
        return true;
    }
    (2..=7).any(|length| match from_end(length) {
        Some(&[0xff, modrm, ref rest @ ..]) if modrm >> 3 & 7 == 2 => {
            let (form, base) = (modrm >> 6, modrm & 7);
            let sib = usize::from(form != 3 && base == 4);
            let displacement = match form {
                0 if base == 5 || (sib == 1 && rest.first().is_some_and(|sib| sib & 7 == 5)) => 4,
                1 => 1,
                2 => 4,
                _ => 0,
            };
            rest.len() == sib + displacement
        }
        _ => false,
    })
}

/// What is loaded somewhere: the executable, a shared library, the kernel's vdso.
struct Object {
    name: String,
    /// What its own addresses are relative to.
    base: u64,
    /// From its first byte to its last.
    whole: Range<u64>,
    text: Vec<Range<u64>>,
    /// `.eh_frame_hdr` and `.eh_frame`, and where they are.
    tables: Option<[(Range<u64>, Vec<u8>); 2]>,
}

impl Object {
    fn into_module(self) -> Option<Module<Vec<u8>>> {
        let [header, frames] = self.tables?;
        let own = |range: &Range<u64>| range.start.wrapping_sub(self.base)..range.end.wrapping_sub(self.base);
        let sections = ExplicitModuleSectionInfo {
            base_svma: 0,
            eh_frame_hdr_svma: Some(own(&header.0)),
            eh_frame_hdr: Some(header.1),
            eh_frame_svma: Some(own(&frames.0)),
            eh_frame: Some(frames.1),
            ..Default::default()
        };
        Some(Module::new(self.name, self.whole, self.base, sections))
    }
}

/// What the dynamic loader has loaded; the executable first.
fn objects() -> Vec<Object> {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> i32 {
        // SAFETY: the loader passes a valid description, and `data` as it was given; it unloads nothing meanwhile.
        unsafe {
            let objects = &mut *data.cast::<Vec<Object>>();
            objects.extend(object(&*info));
        }
        0
    }
    let mut objects: Vec<Object> = Vec::new();
    // SAFETY: the callback gets the vector it expects and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut objects).cast()) };
    objects
}

/// Copies what unwinding needs, since a library may be unloaded later.
///
/// # Safety
/// `info` describes an object that is loaded and stays so for the duration.
unsafe fn object(info: &libc::dl_phdr_info) -> Option<Object> {
    let base = info.dlpi_addr;
    if info.dlpi_phdr.is_null() {
        return None;
    }
    // SAFETY: the loader's own table of so many headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let name = if info.dlpi_name.is_null() {
        String::new()
    } else {
        // SAFETY: a C string of the loader.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_string_lossy().into_owned()
    };
    let range = |h: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(h.p_vaddr);
        start..start.saturating_add(h.p_memsz)
    };
    let loaded = || headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_R != 0);
    let whole = loaded().map(range).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
    let text = loaded().filter(|h| h.p_flags & libc::PF_X != 0).map(range).collect();
    let copy = |of: Range<u64>| {
        let segment = loaded().map(range).find(|s| s.start <= of.start && of.end <= s.end)?;
        // SAFETY: within a readable segment of a loaded object.
        let bytes = unsafe { std::slice::from_raw_parts(of.start as *const u8, (of.end - of.start) as usize) };
        Some((of, bytes.to_vec(), segment.end))
    };
    let tables = (|| {
        let (header, header_bytes, _) = copy(headers.iter().find(|h| h.p_type == libc::PT_GNU_EH_FRAME).map(range)?)?;
        let start = eh_frame_start(header.start, &header_bytes)?;
        // no one says where .eh_frame ends: at the latest with its segment
        let end = copy(start..start)?.2;
        let (frames, frames_bytes, _) = copy(start..end)?;
        Some([(header, header_bytes), (frames, frames_bytes)])
    })();
    Some(Object { name, base, whole, text, tables })
}

/// DW_EH_PE_pcrel | DW_EH_PE_sdata4: how every linker for x86-64 writes the pointer (LSB 5.0 core, 10.6).
const PC_RELATIVE_4: u8 = 0x1b;

/// Where `.eh_frame` is, from the bytes of the `.eh_frame_hdr` at `address`.
fn eh_frame_start(address: u64, header: &[u8]) -> Option<u64> {
    match *header {
        [1, PC_RELATIVE_4, _, _, a, b, c, d, ..] => {
            Some(address.wrapping_add(4).wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_bytes() {
        for call in [
            &[0x90, 0xe8, 1, 2, 3, 4][..],   // call rel32
            &[0xff, 0xd0],                   // call rax
            &[0x41, 0xff, 0xd0],             // call r8
            &[0xff, 0x10],                   // call [rax]
            &[0xff, 0x14, 0x24],             // call [rsp]
            &[0xff, 0x50, 0x18],             // call [rax + 0x18]
            &[0xff, 0x54, 0x24, 8],          // call [rsp + 8]
            &[0xff, 0x15, 1, 2, 3, 4],       // call [rip + rel32]
            &[0xff, 0x90, 1, 2, 3, 4],       // call [rax + disp32]
            &[0xff, 0x14, 0xc5, 1, 2, 3, 4], // call [rax * 8 + disp32]
            &[0xff, 0x94, 0x24, 1, 2, 3, 4], // call [rsp + disp32]
        ] {
            assert!(ends_with_call(call), "{call:x?}");
        }
        for other in [
            &[][..],
            &[0xc3],
            &[0xff, 0xe0], // jmp rax
            &[0xff, 0x20], // jmp [rax]
            &[0xff, 0x50], // cut
            &[0xe8, 1, 2, 3],
            &[0x48, 0x89, 0xc7],
        ] {
            assert!(!ends_with_call(other), "{other:x?}");
        }
    }

    fn unwinding() -> Unwinding {
        Unwinding::of_this_process().expect("this test is loaded")
    }

    #[test]
    fn this_function_is_found_in_the_executable() {
        let unwinding = unwinding();
        assert!(unwinding.in_executable(ends_with_call as *const () as u64).is_some());
        assert!(unwinding.in_executable(libc::memcpy as *const () as u64).is_none());
        assert!(unwinding.in_executable(0).is_none() && unwinding.in_executable(u64::MAX).is_none());
    }

    /// Words of every kind in registers and on the stack, good and bad: it ends, and within its bound.
    #[test]
    fn garbage_ends() {
        let unwinding = unwinding();
        let start = 0x7000_0000_0000_u64;
        let interesting = [
            0,
            1,
            8,
            start,
            start + 0x100,
            start + 0xff8,
            u64::MAX,
            u64::MAX - 7,
            1 << 63,
            0x10_0000_0000,
            ends_with_call as *const () as u64,
            garbage_ends as *const () as u64 + 16,
            libc::memcpy as *const () as u64,
            crate::asm::fgft_upcall as *const () as u64,
        ];
        let mut seed = 1_u64;
        let mut pick = || {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let word = interesting[(seed >> 33) as usize % interesting.len()];
            if seed >> 63 == 0 { word } else { word.wrapping_add(seed >> 52) }
        };
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..64).flat_map(|_| pick().to_ne_bytes()).collect();
            let stack = Stack { ip: pick(), sp: pick(), bp: pick(), start, bytes };
            let found = unwinding.addresses(&stack, 64);
            assert!(found.len() <= 64 && found[0] == stack.ip);
        }
    }
}
