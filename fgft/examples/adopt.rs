//! A process dies in the middle of its work, and its successor takes up the last good state.
//!
//! `cargo run -p fgft --example adopt`
//!
//! The program starts itself as a worker and gives it the memfd of a domain. The worker counts and commits as fast as it
//! can, until it is killed (SIGKILL) at a moment of no one's choice; the next worker adopts what is there and goes on.
#![allow(unsafe_code, reason = "a call inside")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fgft::{Domain, DomainConfig, StateKind};

/// All words are equal after each commit: an image that is torn would show.
type State = [u64; 512];
/// The host's part: equal to the words too.
type Ledger = u64;

/// Workers killed.
const ROUNDS: u64 = 10;
/// Commits between two lines of a worker.
const LINE: u64 = 100;

fn config() -> DomainConfig {
    // a worker shall end by its kill and by nothing else
    DomainConfig { deadline: Duration::from_secs(10), ..DomainConfig::new(StateKind { name: "adopt", version: 1 }) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let isolation = fgft::init()?;
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return work();
    }
    println!("isolation: {}\n", isolation.name());
    let domain = Domain::<State, Ledger>::new(&config(), [0; 512], 0)?;
    let file = domain.as_fd().try_clone_to_owned()?;
    drop(domain);

    let mut last = 0;
    for round in 1..=ROUNDS {
        let (mut worker, mut lines) = start_worker(&file)?;
        let adopted = next_number(&mut lines)?;
        assert!(adopted >= last, "commit {last} was reported, and {adopted} found");
        // let it get on, further each time, and kill it wherever it is
        for _ in 0..round * 5 {
            last = next_number(&mut lines)?;
        }
        for _ in 0..round * 3000 {
            std::hint::spin_loop();
        }
        worker.kill()?;
        let status = worker.wait()?;
        // what it had still written when it died
        let mut rest = String::new();
        lines.read_to_string(&mut rest)?;
        last = rest.split_inclusive('\n').filter(|l| l.ends_with('\n')).try_fold(last, |_, l| l.trim().parse())?;
        println!("worker {round:2}: began at {adopted:6}, reported {last:6}, ended by {status}");
        assert!(!status.success());
    }

    let domain = Domain::<State, Ledger>::adopt(&config(), file)?;
    let state = domain.state();
    println!("\nlast good state: {}, commit {}", state[0], domain.generation());
    assert!(state.iter().all(|word| *word == state[0]) && *domain.ledger() == state[0], "the image is whole");
    assert_eq!(domain.generation(), state[0] + 1, "one commit for each number, and one at the start");
    assert!(state[0] >= last);
    println!("{ROUNDS} workers killed, no reported commit lost, no image torn");
    Ok(())
}

/// The worker's standard input is the memfd.
fn start_worker(file: &OwnedFd) -> std::io::Result<(Child, BufReader<ChildStdout>)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").stdin(Stdio::from(file.try_clone()?)).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or_else(|| std::io::Error::other("the worker has no output"))?;
    Ok((child, BufReader::new(output)))
}

fn next_number(lines: &mut impl BufRead) -> Result<u64, Box<dyn std::error::Error>> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    line.trim().parse().map_err(|_| format!("the worker says {line:?}, not a number").into())
}

/// Adopts, checks, says where it begins, and then counts until killed.
fn work() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut domain = Domain::<State, Ledger>::adopt(&config(), file)?;
    let state = domain.state();
    assert!(state.iter().all(|word| *word == state[0]), "the image is torn");
    assert_eq!(*domain.ledger(), state[0], "state and ledger are of one commit");
    let mut output = std::io::stdout();
    writeln!(output, "{}", state[0])?;
    loop {
        // SAFETY: the closure holds nothing and writes only the state.
        let number = unsafe {
            domain.run(&mut (), |words| {
                let next = words[0] + 1;
                words.fill(next);
                next
            })
        }?;
        *domain.ledger_mut() = number;
        domain.commit();
        if number.is_multiple_of(LINE) {
            writeln!(output, "{number}")?;
        }
    }
}
