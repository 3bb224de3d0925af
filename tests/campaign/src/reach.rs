//! Which places of a driver a trial without a fault reaches.
//!
//! Instructions: each is a breakpoint until it was. Places in the source: they note it themselves.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::child::{self, Child, End};
use crate::subject::Subject;
use crate::text::Function;
use crate::workload;

const INT3: u8 = 0xcc;

/// Numbers of the places in the source. Without protection: a driver that is protected cannot note anything.
///
/// # Errors
/// No process, or the trial does not come to its end.
pub(crate) fn sites(subject: Subject, seconds: u32) -> io::Result<HashSet<u64>> {
    let noting = Child::start(seconds, || {
        udrv_planted::note();
        workload::run(subject, false);
        serde_json::to_vec(&udrv_planted::reached().collect::<Vec<_>>()).expect("plain data")
    })?;
    match noting.wait()? {
        End::Said(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        other => Err(io::Error::other(format!("a trial without a fault ends with {other:?}"))),
    }
}

/// Addresses of the instructions.
///
/// # Errors
/// The kernel does not let this process be traced, or the trial does not come to its end.
pub(crate) fn instructions(subject: Subject, functions: &[Function]) -> io::Result<HashSet<u64>> {
    let pid = child::fork_plainly(|| {
        let _ = ptrace::traceme();
        let _ = raise(Signal::SIGSTOP);
        workload::take_time();
        workload::run(subject, true);
    })?;
    let mut reached = HashSet::new();
    let mut memory = None;
    loop {
        let signal = match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) if memory.is_none() => {
                memory = Some(set_breakpoints(pid, functions)?);
                None
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                let mut registers = ptrace::getregs(pid)?;
                let address = registers.rip - 1;
                match (original(functions, address), &memory) {
                    (Some(byte), Some(memory)) => {
                        memory.write_all_at(&[byte], address)?;
                        registers.rip = address;
                        ptrace::setregs(pid, registers)?;
                        reached.insert(address);
                        None
                    }
                    _ => Some(Signal::SIGTRAP),
                }
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::Exited(_, 0) => return Ok(reached),
            other => return Err(io::Error::other(format!("a trial without a mutant ends with {other:?}"))),
        };
        ptrace::cont(pid, signal)?;
    }
}

/// Breakpoints at all instructions. Gives the memory of the process.
fn set_breakpoints(pid: Pid, functions: &[Function]) -> io::Result<File> {
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
    for function in functions {
        let mut bytes = function.bytes.clone();
        for instruction in &function.code {
            bytes[(instruction.ip() - function.at.start) as usize] = INT3;
        }
        memory.write_all_at(&bytes, function.at.start)?;
    }
    Ok(memory)
}

fn original(functions: &[Function], address: u64) -> Option<u8> {
    let function = functions.iter().find(|function| function.at.contains(&address))?;
    function.bytes.get((address - function.at.start) as usize).copied()
}
