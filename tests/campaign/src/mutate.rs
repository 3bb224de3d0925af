//! Mutants: one instruction of a driver changed, by rules in the tradition of the injectors of Rio (Ng and Chen 1999) and Nooks
//! (Swift and others 2003).

use std::collections::HashSet;
use std::fmt;

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, Encoder, FlowControl, Formatter, Instruction, InstructionInfoFactory,
    IntelFormatter, Mnemonic, OpAccess, OpKind, Register,
};
use model_wire::Rng;

use crate::text::Function;

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A register operand is another.
    Operand,
    /// An address: a bit of the displacement, or another base.
    Address,
    /// A bit of an immediate.
    Immediate,
    /// A condition is inverted.
    Branch,
    /// A bound is missed by one: `<` becomes `<=`, or what is compared with is one more or less.
    Bound,
    /// The instruction is left out.
    Delete,
    /// An argument of a call is not set.
    Argument,
    /// Any bit of the instruction.
    Bit,
}

impl Rule {
    /// All, each as likely as the others.
    pub(crate) const ALL: [Rule; 8] = [
        Rule::Operand,
        Rule::Address,
        Rule::Immediate,
        Rule::Branch,
        Rule::Bound,
        Rule::Delete,
        Rule::Argument,
        Rule::Bit,
    ];
}

impl Rule {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rule::Operand => "operand",
            Rule::Address => "address",
            Rule::Immediate => "immediate",
            Rule::Branch => "branch",
            Rule::Bound => "bound",
            Rule::Delete => "delete",
            Rule::Argument => "argument",
            Rule::Bit => "bit",
        }
    }
}

/// A changed instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// By which rule.
    pub(crate) rule: Rule,
    /// In which function.
    pub(crate) function: String,
    /// Where, bytes from its beginning.
    pub(crate) offset: u64,
    /// Where in memory of this process.
    pub(crate) address: u64,
    /// What stands there.
    pub(crate) before: Vec<u8>,
    /// What is put there.
    pub(crate) after: Vec<u8>,
    /// Why it is outside what is guaranteed, if it is: it asks the kernel, or opens the protection keys.
    pub(crate) outside: Option<&'static str>,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.function.rsplit("::").next().unwrap_or_default();
        // jumps lead to places in the function: where that is in memory is another thing in each run
        let (before, after) = (text(&self.before, self.offset), text(&self.after, self.offset));
        write!(f, "{name}+{:#x}: {before} -> {after}", self.offset)
    }
}

fn text(bytes: &[u8], address: u64) -> String {
    let mut formatter = IntelFormatter::new();
    let all = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).into_iter().map(|instruction| {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        text
    });
    all.filter(|text| text != "nop").collect::<Vec<_>>().join("; ")
}

/// Distinct mutants of `functions`, in an order that the seed decides.
pub(crate) fn mutants(functions: &[Function], seed: u64) -> impl Iterator<Item = Mutant> + '_ {
    /// Draws in vain after which there is nothing new.
    const PATIENCE: u32 = 100_000;
    let places: Vec<(usize, usize)> =
        functions.iter().enumerate().flat_map(|(f, function)| (0..function.code.len()).map(move |i| (f, i))).collect();
    let mut rng = Rng::new(seed);
    let mut seen = HashSet::new();
    std::iter::from_fn(move || {
        (0..PATIENCE).find_map(|_| {
            let rule = any(&Rule::ALL, &mut rng)?;
            let (f, i) = any(&places, &mut rng)?;
            let mutant = apply(rule, &functions[f], i, &mut rng)?;
            seen.insert((mutant.address, mutant.after.clone())).then_some(mutant)
        })
    })
}

/// Changes instruction `index` by a rule. `None`: the rule is not for such an instruction.
fn apply(rule: Rule, function: &Function, index: usize, rng: &mut Rng) -> Option<Mutant> {
    let instruction = &function.code[index];
    if instruction.is_invalid() || instruction.mnemonic() == Mnemonic::Nop || instruction.mnemonic() == Mnemonic::Int3 {
        return None;
    }
    let offset = (instruction.ip() - function.at.start) as usize;
    let before = function.bytes[offset..offset + instruction.len()].to_vec();
    let after = match rule {
        Rule::Operand => other_operand(instruction, rng)?,
        Rule::Address if rng.below(2) == 0 => other_base(instruction, rng)?,
        Rule::Address => flip(&before, displacement(&before, instruction)?, rng),
        Rule::Immediate => flip(&before, immediate(&before, instruction)?, rng),
        Rule::Branch => inverted(&before, instruction)?,
        Rule::Bound => off_by_one(&before, instruction, rng)?,
        Rule::Delete => vec![NOP; before.len()],
        Rule::Argument => sets_argument(function, index).then(|| vec![NOP; before.len()])?,
        Rule::Bit => flip(&before, (0, before.len()), rng),
    };
    if after == before {
        return None;
    }
    let outside = outside(function, offset, &after);
    let address = instruction.ip();
    Some(Mutant { rule, function: function.name.clone(), offset: offset as u64, address, before, after, outside })
}

const NOP: u8 = 0x90;

fn any<T: Copy>(of: &[T], rng: &mut Rng) -> Option<T> {
    of.get(rng.below(of.len() as u64) as usize).copied()
}

/// One bit of `bytes` between two places, the first and how many behind it.
fn flip(bytes: &[u8], (from, count): (usize, usize), rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let bit = rng.below(8 * count as u64) as usize;
    bytes[from + bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn constants(bytes: &[u8], instruction: &Instruction) -> iced_x86::ConstantOffsets {
    let mut decoder = Decoder::with_ip(64, bytes, instruction.ip(), DecoderOptions::NONE);
    let again = decoder.decode();
    decoder.get_constant_offsets(&again)
}

fn displacement(bytes: &[u8], instruction: &Instruction) -> Option<(usize, usize)> {
    let constants = constants(bytes, instruction);
    constants.has_displacement().then(|| (constants.displacement_offset(), constants.displacement_size()))
}

fn immediate(bytes: &[u8], instruction: &Instruction) -> Option<(usize, usize)> {
    let constants = constants(bytes, instruction);
    let jumps = instruction.flow_control() != FlowControl::Next;
    (constants.has_immediate() && !jumps).then(|| (constants.immediate_offset(), constants.immediate_size()))
}

/// Where the condition of a jump, a move or a set stands: its opcode's last byte, whose lowest four bits it is.
fn condition(bytes: &[u8], instruction: &Instruction) -> Option<usize> {
    if instruction.condition_code() == ConditionCode::None {
        return None;
    }
    // behind prefixes: size, segments as hints for jumps, REX
    let opcode = bytes.iter().position(|byte| !matches!(byte, 0x66 | 0x2e | 0x3e | 0x40..=0x4f))?;
    match bytes[opcode] {
        0x0f => Some(opcode + 1),
        0x70..=0x7f => Some(opcode),
        // LOOPE and the like
        _ => None,
    }
}

fn inverted(bytes: &[u8], instruction: &Instruction) -> Option<Vec<u8>> {
    let at = condition(bytes, instruction)?;
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    Some(bytes)
}

fn off_by_one(bytes: &[u8], instruction: &Instruction, rng: &mut Rng) -> Option<Vec<u8>> {
    let mut changed = bytes.to_vec();
    if let Some(at) = condition(bytes, instruction) {
        // below and not above, above and not below, less and not greater, greater and not less
        changed[at] = match changed[at] & 0xf {
            0x2 => changed[at] + 4,
            0x6 => changed[at] - 4,
            0x3 => changed[at] + 4,
            0x7 => changed[at] - 4,
            0xc | 0xd => changed[at] + 2,
            0xe | 0xf => changed[at] - 2,
            _ => return None,
        };
        return Some(changed);
    }
    let (at, count) = (instruction.mnemonic() == Mnemonic::Cmp).then(|| immediate(bytes, instruction)).flatten()?;
    let mut value = [0; 8];
    value[..count].copy_from_slice(&bytes[at..at + count]);
    let value = u64::from_le_bytes(value);
    let value = if rng.below(2) == 0 { value.wrapping_add(1) } else { value.wrapping_sub(1) };
    changed[at..at + count].copy_from_slice(&value.to_le_bytes()[..count]);
    Some(changed)
}

/// General registers of a size, in bytes.
fn registers(size: usize) -> Option<[Register; 15]> {
    use Register::{AL, AX, EAX, RAX};
    let first = match size {
        8 => RAX,
        4 => EAX,
        2 => AX,
        1 => AL,
        _ => return None,
    };
    // not the stack's: number 4
    let numbers = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    // of one byte there are four more, AH to BH, between the fourth and the fifth
    Some(numbers.map(|number| if size == 1 && number > 3 { first + 4 + number } else { first + number }))
}

fn other_operand(instruction: &Instruction, rng: &mut Rng) -> Option<Vec<u8>> {
    let operands: Vec<u32> = (0..instruction.op_count())
        .filter(|op| instruction.op_kind(*op) == OpKind::Register && instruction.op_register(*op).is_gpr())
        .collect();
    let op = any(&operands, rng)?;
    let register = instruction.op_register(op);
    let all = registers(register.size())?;
    let mut changed = *instruction;
    changed.set_op_register(op, any(&all, rng)?);
    encoded(&changed, instruction.len())
}

fn other_base(instruction: &Instruction, rng: &mut Rng) -> Option<Vec<u8>> {
    if instruction.memory_base().size() != 8 || !instruction.memory_base().is_gpr() {
        return None;
    }
    let all = registers(8)?;
    let mut changed = *instruction;
    changed.set_memory_base(any(&all, rng)?);
    encoded(&changed, instruction.len())
}

/// Its bytes, with nothing behind it up to `length`. `None`: there is no such instruction, or it is longer.
fn encoded(instruction: &Instruction, length: usize) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(64);
    encoder.encode(instruction, instruction.ip()).ok()?;
    let mut bytes = encoder.take_buffer();
    (bytes.len() <= length).then(|| {
        bytes.resize(length, NOP);
        bytes
    })
}

/// Whether it sets a register for one of the next calls (System V ABI).
fn sets_argument(function: &Function, index: usize) -> bool {
    use Register::{R8, R9, RCX, RDI, RDX, RSI};
    /// Instructions before a call in which its arguments are set.
    const NEAR: usize = 6;
    let instruction = &function.code[index];
    let next = function.code[index + 1..].iter().take(NEAR);
    let calls =
        next.take_while(|i| !matches!(i.flow_control(), FlowControl::Return | FlowControl::UnconditionalBranch));
    let mut calls = calls.filter(|i| matches!(i.flow_control(), FlowControl::Call | FlowControl::IndirectCall));
    if calls.next().is_none() || instruction.flow_control() != FlowControl::Next {
        return false;
    }
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    used.iter().any(|used| {
        matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite)
            && [RDI, RSI, RDX, RCX, R8, R9].contains(&used.register().full_register())
    })
}

/// Whether what the processor finds from there on asks the kernel or opens the protection keys: on the changed bytes and on what a
/// shorter or longer instruction makes of those behind them.
fn outside(function: &Function, offset: usize, after: &[u8]) -> Option<&'static str> {
    const LONGEST: usize = 15;
    let mut bytes = function.bytes.clone();
    bytes[offset..offset + after.len()].copy_from_slice(after);
    let end = (offset + after.len() + LONGEST).min(bytes.len());
    let decoder = Decoder::with_ip(64, &bytes[offset..end], function.at.start + offset as u64, DecoderOptions::NONE);
    decoder.into_iter().find_map(|instruction| {
        let what = match instruction.code() {
            Code::Syscall | Code::Sysenter | Code::Int_imm8 | Code::Int1 => "asks the kernel",
            Code::Wrpkru | Code::Xrstor_mem | Code::Xrstor64_mem => "opens the protection keys",
            // where it is null or astray the engine notices
            Code::Wrfsbase_r32 | Code::Wrfsbase_r64 => "sets the thread's pointer",
            _ => return None,
        };
        Some(what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(bytes: &[u8]) -> Function {
        let at = 0x1000..0x1000 + bytes.len() as u64;
        let code = Decoder::with_ip(64, bytes, at.start, DecoderOptions::NONE).into_iter().collect();
        Function { name: "driver::f".to_owned(), at, code, bytes: bytes.to_vec() }
    }

    /// What the rule makes of the first instruction, in words; several draws.
    fn made(rule: Rule, bytes: &[u8]) -> Vec<String> {
        let function = function(bytes);
        let mut rng = Rng::new(1);
        let mut all: Vec<String> =
            (0..200).filter_map(|_| apply(rule, &function, 0, &mut rng)).map(|m| text(&m.after, 0)).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn conditions_are_inverted() {
        assert_eq!(made(Rule::Branch, &[0x74, 0x10]), ["jne short 0000000000000012h"]);
        assert_eq!(made(Rule::Branch, &[0x0f, 0x8c, 0, 1, 0, 0]), ["jge 0000000000000106h"]);
        // cmovb rax,rbx; sete al
        assert_eq!(made(Rule::Branch, &[0x48, 0x0f, 0x42, 0xc3]), ["cmovae rax,rbx"]);
        assert_eq!(made(Rule::Branch, &[0x0f, 0x94, 0xc0]), ["setne al"]);
        assert_eq!(made(Rule::Branch, &[0x48, 0x89, 0xd8]), [""; 0]);
    }

    #[test]
    fn bounds_are_missed_by_one() {
        assert_eq!(made(Rule::Bound, &[0x72, 0x10]), ["jbe short 0000000000000012h"]);
        assert_eq!(made(Rule::Bound, &[0x7e, 0x10]), ["jl short 0000000000000012h"]);
        // cmp eax,8
        assert_eq!(made(Rule::Bound, &[0x83, 0xf8, 8]), ["cmp eax,7", "cmp eax,9"]);
        assert_eq!(made(Rule::Bound, &[0x74, 0x10]), [""; 0]);
    }

    #[test]
    fn immediates_lose_or_gain_a_bit_and_jumps_do_not() {
        // mov eax,1: 32 bits
        assert_eq!(made(Rule::Immediate, &[0xb8, 1, 0, 0, 0]).len(), 32);
        assert_eq!(made(Rule::Immediate, &[0x74, 0x10]), [""; 0]);
    }

    #[test]
    fn operands_and_bases_are_other_registers_of_the_same_size() {
        let operands = made(Rule::Operand, &[0x48, 0x89, 0xd8]); // mov rax,rbx
        assert!(operands.len() > 20 && operands.iter().all(|text| text.starts_with("mov r")), "{operands:?}");
        assert!(!operands.iter().any(|text| text.contains("rsp")));
        let bases = made(Rule::Address, &[0x48, 0x8b, 0x43, 0x10]); // mov rax,[rbx+10h]
        assert!(bases.contains(&"mov rax,[rcx+10h]".to_owned()), "{bases:?}");
        assert!(bases.contains(&"mov rax,[rbx+11h]".to_owned()), "{bases:?}");
    }

    #[test]
    fn arguments_are_what_a_call_near_is_given() {
        // mov edi,1; call
        assert_eq!(made(Rule::Argument, &[0xbf, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0]), [""]);
        // mov ebx,1; call
        assert_eq!(made(Rule::Argument, &[0xbb, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0]), [""; 0]);
        // mov edi,1; ret; call
        assert_eq!(made(Rule::Argument, &[0xbf, 1, 0, 0, 0, 0xc3, 0xe8, 0, 0, 0, 0]), [""; 0]);
    }

    #[test]
    fn what_asks_the_kernel_is_outside() {
        // 0f 04 is nothing; one bit more makes it a system call: 0f 05
        let function = function(&[0x0f, 0x04, 0x90, 0x90]);
        assert!(outside(&function, 0, &[0x0f, 0x05]).is_some_and(|why| why.contains("kernel")));
        assert!(outside(&function, 0, &[0x0f, 0x01]).is_none());
    }

    #[test]
    fn a_seed_decides_and_no_mutant_comes_twice() {
        let function = function(&[0x48, 0x89, 0xd8, 0x83, 0xf8, 8, 0x72, 0x10, 0xbf, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0]);
        let functions = [function];
        let all: Vec<Mutant> = mutants(&functions, 5).take(100).collect();
        assert_eq!(all, mutants(&functions, 5).take(100).collect::<Vec<_>>());
        assert_ne!(all, mutants(&functions, 6).take(100).collect::<Vec<_>>());
        let distinct: HashSet<_> = all.iter().map(|mutant| (mutant.address, mutant.after.clone())).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
