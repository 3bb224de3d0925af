//! What an answer takes that costs nothing: the machine's part of the time until it is there.
//!
//! It is passed on as often as udrvd's: to a thread of the client's own, to another that is always there, and back.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::mpsc::{Sender, channel},
    thread,
};

/// As long as a status is, bytes.
const LENGTH: usize = 4096;

type Question = Sender<Vec<u8>>;

/// Answers whoever connects to `socket`, until this process ends.
pub(super) fn serve(socket: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let (ask, questions) = channel::<Question>();
    thread::Builder::new().name("echo".into()).spawn(move || {
        let mut answer = vec![b' '; LENGTH];
        answer.push(b'\n');
        for question in questions {
            // whoever asked may have gone
            let _ = question.send(answer.clone());
        }
    })?;
    thread::Builder::new().name("echo-clients".into()).spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let ask = ask.clone();
            // a client that is not answered fails, which ends the benchmark
            thread::spawn(move || converse(&stream, &ask));
        }
    })?;
    Ok(())
}

fn converse(mut stream: &UnixStream, ask: &Sender<Question>) -> Option<()> {
    let (question, answers) = channel();
    for _line in BufReader::new(stream).lines().map_while(Result::ok) {
        ask.send(question.clone()).ok()?;
        stream.write_all(&answers.recv().ok()?).ok()?;
    }
    Some(())
}
