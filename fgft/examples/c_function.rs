//! Protects a function written in C that has a memory bug: `c-decoder/src/decoder.c` copies as many bytes as a message
//! claims to have. The copy runs off the end of the domain's memory, the call ends there, the state is put back,
//! and the next message is decoded as if nothing had been.
//!
//! `cargo run -p fgft --example c_function`
#![allow(unsafe_code, reason = "calls C")]

use std::time::Duration;

use fgft::{Domain, DomainConfig, Fault, FaultKind, StateKind};
use fgft_example_c::{Session, decoder_receive, decoder_receive_fixed};

/// Room for the largest message, as the network code of a server has it.
const RECEIVE_BUFFER: usize = 3 + 65535;

fn main() {
    let isolation = fgft::init().expect("the engine starts");
    println!("isolation: {}\n", isolation.name());
    let mut config = DomainConfig::new(StateKind { name: "decoder", version: 1 });
    config.deadline = Duration::from_millis(50);
    let mut domain = Domain::<Session>::new(&config, Session::NEW, ()).expect("a domain");
    let mut buffer = vec![0; RECEIVE_BUFFER];

    println!("a good message: \"hello\"");
    let hello = fill(&mut buffer, 5, b"hello");
    let length = receive(&mut domain, hello).expect("the message is good");
    domain.commit();
    let committed = domain.state();
    print_session("returned", length, &committed);
    assert_eq!((length, committed.messages, &committed.last[..5]), (5, 1, &b"hello"[..]));

    println!("\na message of 5 bytes that claims 65535");
    let liar = fill(&mut buffer, 65535, b"liar!");
    let fault = receive(&mut domain, liar).expect_err("the copy runs off the end");
    println!("  fault: {fault}");
    print_registers(&fault);
    assert!(matches!(fault.kind, FaultKind::WildAccess { .. }), "{fault}");
    let spoilt = domain.state();
    println!(
        "  the state it left: messages={}, the payload starts with {:?}",
        spoilt.messages,
        text(&spoilt.last[..5])
    );
    assert_ne!(spoilt, committed);
    domain.rollback();
    let after = domain.state();
    println!("  after rollback:    messages={}, the payload starts with {:?}", after.messages, text(&after.last[..5]));
    assert_eq!(after, committed, "the rollback is exact");

    println!("\nthe same a thousand times");
    let mut faults = 0;
    for _ in 0..1000 {
        faults += u32::from(receive(&mut domain, liar).is_err());
        domain.rollback();
        assert_eq!(domain.state(), committed);
    }
    println!("  {faults} faults, each rolled back exactly");
    assert_eq!(faults, 1000);

    println!("\nthe fixed function, with both messages");
    let refused = receive_fixed(&mut domain, &liar[..3 + 5]);
    print_session("returned", refused, &domain.state());
    assert_eq!((refused, domain.state()), (-1, committed));
    let hello = fill(&mut buffer, 5, b"again");
    let length = receive_fixed(&mut domain, &hello[..3 + 5]);
    print_session("returned", length, &domain.state());
    assert_eq!((length, domain.state().messages, &domain.state().last[..5]), (5, 2, &b"again"[..]));

    println!("\nall as it should be");
}

/// Lays a message into the receive buffer: what it claims, and what there is.
fn fill<'a>(buffer: &'a mut [u8], claimed: u16, payload: &[u8]) -> &'a [u8] {
    buffer[0] = 1;
    buffer[1..3].copy_from_slice(&claimed.to_be_bytes());
    buffer[3..3 + payload.len()].copy_from_slice(payload);
    buffer
}

fn receive(domain: &mut Domain<Session>, buffer: &[u8]) -> Result<i64, Fault> {
    assert_eq!(buffer.len(), RECEIVE_BUFFER, "what the function reads is there, whatever the message claims");
    // SAFETY: the closure holds nothing. Its bug writes upwards from the state: over the domain's own memory and into
    // the guard behind it, with protection keys or without.
    unsafe { domain.run(&mut (), |session| decoder_receive(session, buffer.as_ptr())) }
}

fn receive_fixed(domain: &mut Domain<Session>, message: &[u8]) -> i64 {
    // SAFETY: the closure holds nothing, and the function writes only the session.
    let result = unsafe { domain.run(&mut (), |s| decoder_receive_fixed(s, message.as_ptr(), message.len())) };
    domain.commit();
    result.expect("it has no bug")
}

fn print_session(verb: &str, value: i64, session: &Session) {
    let Session { messages, bytes, last } = session;
    println!("  {verb} {value}; messages={messages} bytes={bytes} last={:?}", text(last));
}

/// Where it was, and with what: enough for `addr2line` and a look at the source.
fn print_registers(fault: &Fault) {
    let registers = fault.registers.as_deref().expect("a trap has registers");
    let offset = registers.rip.wrapping_sub(decoder_receive as *const () as u64).cast_signed();
    assert!(offset.unsigned_abs() < 1024, "the fault is in decoder.c");
    println!("  at decoder_receive{offset:+} (c-decoder/src/decoder.c)");
    let [rip, rsp, rdi, rsi] = [registers.rip, registers.rsp, registers.rdi, registers.rsi];
    println!("  rip={rip:#x} rsp={rsp:#x} rdi={rdi:#x} rsi={rsi:#x}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}
