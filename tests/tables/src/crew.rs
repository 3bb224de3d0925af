//! The processes, one a driver, and all of them at once.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::device::Driver;
use crate::worker::{Answer, Ready, Request};

/// A process with a device.
pub(crate) struct Member {
    /// Which.
    pub(crate) driver: Driver,
    /// How it was when it had started.
    pub(crate) ready: Ready,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Member {
    fn start(driver: Driver, seed: u64) -> io::Result<Member> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["device", "--driver", driver.name(), "--seed", &seed.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take();
        let mut from = BufReader::new(child.stdout.take().expect("it is piped"));
        let ready = read(&mut from).map_err(|error| in_words(driver, &error))?;
        Ok(Member { driver, ready, child, to, from })
    }

    fn tell(&mut self, request: Request) -> io::Result<()> {
        let to = self.to.as_mut().expect("open until it is dropped");
        writeln!(to, "{}", serde_json::to_string(&request)?).and_then(|()| to.flush())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // the end of its requests is its end
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// All of them.
///
/// # Errors
/// One does not start.
pub(crate) fn all(seed: u64) -> io::Result<Vec<Member>> {
    (0..).zip(Driver::ALL).map(|(number, driver)| Member::start(driver, seed.wrapping_add(number))).collect()
}

/// Has all work at once; answers in the order of the drivers.
///
/// # Errors
/// A process has ended: a crash of a driver has ended it, which must not be.
pub(crate) fn work(crew: &mut [Member], request: impl Fn(usize) -> Request) -> io::Result<Vec<Answer>> {
    for (number, member) in crew.iter_mut().enumerate() {
        member.tell(request(number)).map_err(|error| in_words(member.driver, &error))?;
    }
    crew.iter_mut().map(|member| read(&mut member.from).map_err(|error| in_words(member.driver, &error))).collect()
}

fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<T> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::Error::other("it has ended"));
    }
    Ok(serde_json::from_str(&line)?)
}

fn in_words(driver: Driver, error: &io::Error) -> io::Error {
    io::Error::other(format!("the process with {}: {error}", driver.name()))
}
