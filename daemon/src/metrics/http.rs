//! As much of HTTP/1.1 as a scraper needs: one GET, one answer, and the connection is closed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Connection;

/// How long a request may take altogether, and then an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request, bytes.
const LONGEST: usize = 8 * 1024;
/// Most header fields.
const FIELDS: usize = 64;
/// The format of the text.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers one request. `text`: what is shown, if the device still runs.
pub(super) fn serve(mut connection: impl Connection, text: impl FnOnce() -> Option<Arc<str>>) -> io::Result<()> {
    let (status, body): (_, Arc<str>) = match request(&mut connection)? {
        Request::Metrics => match text() {
            Some(text) => ("200 OK", text),
            None => ("503 Service Unavailable", "the device has stopped\n".into()),
        },
        Request::Elsewhere => ("404 Not Found", "what there is is at /metrics\n".into()),
        Request::NotGet => ("405 Method Not Allowed", "GET /metrics is all that is served\n".into()),
        Request::Nonsense(why) => ("400 Bad Request", format!("{why}\n").into()),
    };
    let format = if status.starts_with("200") { FORMAT } else { "text/plain; charset=utf-8" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {format}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.limit(PATIENCE)?;
    connection.write_all(head.as_bytes())?;
    connection.write_all(body.as_bytes())
}

enum Request {
    Metrics,
    Elsewhere,
    NotGet,
    Nonsense(String),
}

fn request(connection: &mut impl Connection) -> io::Result<Request> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.limit(left)?;
        let mut piece = [0; 1024];
        let length = connection.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..length]);
        if let Some(request) = parse(&bytes) {
            return Ok(request);
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes.len() > LONGEST {
            return Ok(Request::Nonsense(format!("a request has at most {LONGEST} bytes")));
        }
    }
}

/// `None`: there is more to come.
fn parse(bytes: &[u8]) -> Option<Request> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) if request.method != Some("GET") => Some(Request::NotGet),
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.and_then(|path| path.split('?').next());
            Some(if path == Some("/metrics") { Request::Metrics } else { Request::Elsewhere })
        }
        Err(error) => Some(Request::Nonsense(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    fn answer_to(said: &[u8]) -> String {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || serve(theirs, || Some("calls 1\n".into())));
            let _ = ours.write_all(said); // it may have had enough before the end
            let _ = ours.shutdown(Shutdown::Write);
            let mut text = String::new();
            let _ = ours.read_to_string(&mut text);
            text
        })
    }

    #[test]
    fn it_serves_one_page_and_explains_the_rest() {
        for (said, status, word) in [
            (&b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..], "200", "\r\n\r\ncalls 1\n"),
            (b"GET /metrics?x=y HTTP/1.0\r\n\r\n", "200", "openmetrics-text"),
            (b"GET / HTTP/1.1\r\n\r\n", "404", "/metrics"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405", "GET"),
            (b"hello\n", "400", ""),
            (b"\xff\xfe\r\n\r\n", "400", ""),
        ] {
            let text = answer_to(said);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains(word), "{said:?}: {text}");
        }
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1));
        assert!(answer_to(many.as_bytes()).starts_with("HTTP/1.1 400 "));
        let long = format!("GET /metrics HTTP/1.1\r\na: {}", "b".repeat(LONGEST));
        assert!(answer_to(long.as_bytes()).contains("at most 8192 bytes"));
        assert_eq!(answer_to(b"GET /metr"), "", "half a request");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_request_is_too_strange(said in prop::collection::vec(any::<u8>(), 0..12_000)) {
            let text = answer_to(&said);
            prop_assert!(text.is_empty() || text.starts_with("HTTP/1.1 "));
        }
    }
}
