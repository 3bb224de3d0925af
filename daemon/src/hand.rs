//! The hand on a mouse that is served: a socket, and lines of text.
//!
//! | line | does |
//! |---|---|
//! | `move RIGHT AWAY MS` | glides, in eighths of a millimetre, after what the hand still has to do |
//! | `press BUTTON`, `release BUTTON` | left, right, middle, side, extra |
//! | `turn CLICKS` | the wheel, away from the user |
//! | `unplug`, `plug-in` | |
//! | `rest` | waits until mouse and hand are at rest: all is reported, and has been read |
//! | `settings`, `counters` | asks the mouse, in words of one name and one value each |
//!
//! Each is answered by one line: `done`, the values, `busy` for a rest that does not come, or `error: ` and why. One client at a
//! time.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::str::SplitWhitespace;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use model_psmouse::{Action, Button, PsMouseHandle, Script};
use model_serve::{ServeError, Socket, Stopper};

/// A mouse that is not at rest after this long will not be soon: nobody reads what it says.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked at meanwhile: as long as a byte takes on its line.
const LOOK: Duration = Duration::from_millis(1);

/// The socket, served by a thread until it is dropped.
pub struct Hand {
    stop: Stopper,
    client: Arc<Mutex<Client>>,
    thread: Option<JoinHandle<()>>,
}

/// Who is connected.
#[derive(Default)]
struct Client {
    stream: Option<UnixStream>,
    over: bool,
}

impl Hand {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    /// No socket there, or no thread.
    pub fn start(path: &Path, mouse: PsMouseHandle) -> Result<Hand, ServeError> {
        let socket = Socket::bind(path)?;
        let (stop, client) = (socket.stopper(), Arc::new(Mutex::new(Client::default())));
        let shared = client.clone();
        let run = move || {
            // a socket that fails ends this; the mouse is served on
            while let Ok(Some(stream)) = socket.accept() {
                if !connect(&shared, &stream) {
                    return;
                }
                // a client that has gone is no fault of the next
                let _ = serve(stream, &mouse, &shared);
            }
        };
        let thread = thread::Builder::new().name("hand".into()).spawn(run);
        let thread = thread.map_err(|source| ServeError::Io { operation: "starting a thread", source })?;
        Ok(Hand { stop, client, thread: Some(thread) })
    }
}

/// Notes who is connected. False: it is over.
fn connect(client: &Mutex<Client>, stream: &UnixStream) -> bool {
    let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
    client.stream = stream.try_clone().ok();
    !client.over && client.stream.is_some()
}

fn is_over(client: &Mutex<Client>) -> bool {
    client.lock().unwrap_or_else(PoisonError::into_inner).over
}

impl Drop for Hand {
    fn drop(&mut self) {
        {
            let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
            client.over = true;
            if let Some(stream) = &client.stream {
                // one that has gone already is as good
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: UnixStream, mouse: &PsMouseHandle, client: &Mutex<Client>) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let answer = obey(&line?, mouse, &|| is_over(client)).unwrap_or_else(|why| format!("error: {why}"));
        answers.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn obey(line: &str, mouse: &PsMouseHandle, is_over: &dyn Fn() -> bool) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let done = || "done".to_owned();
    let name = words.next().ok_or("an empty line")?;
    let answer = match name {
        "move" => {
            let (right, away, ms) = (number(&mut words)?, number(&mut words)?, number(&mut words)?);
            let ms = u64::try_from(ms).map_err(|_| "no time before now".to_owned())?;
            mouse.play(Script::new().glide(right, away, Duration::from_millis(ms)));
            done()
        }
        "press" => act(mouse, Action::Press(button(&mut words)?)),
        "release" => act(mouse, Action::Release(button(&mut words)?)),
        "turn" => act(mouse, Action::Turn(number(&mut words)?)),
        "unplug" => act(mouse, Action::Unplug),
        "plug-in" => act(mouse, Action::PlugIn),
        "rest" => rest(mouse, is_over),
        "settings" => settings(mouse),
        "counters" => counters(mouse),
        other => return Err(format!("no '{other}'")),
    };
    match words.next() {
        None => Ok(answer),
        Some(more) => Err(format!("'{more}' is too much; the rest was done")),
    }
}

fn act(mouse: &PsMouseHandle, action: Action) -> String {
    mouse.play(Script::new().then(action));
    "done".to_owned()
}

fn rest(mouse: &PsMouseHandle, is_over: &dyn Fn() -> bool) -> String {
    let begin = Instant::now();
    while !mouse.is_at_rest() {
        if begin.elapsed() > PATIENCE || is_over() {
            return "busy".to_owned();
        }
        thread::sleep(LOOK);
    }
    "done".to_owned()
}

fn number(words: &mut SplitWhitespace<'_>) -> Result<i32, String> {
    let word = words.next().ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

fn button(words: &mut SplitWhitespace<'_>) -> Result<Button, String> {
    let word = words.next().ok_or("a button is missing")?;
    let named = |button: &Button| format!("{button:?}").eq_ignore_ascii_case(word);
    Button::ALL.into_iter().find(named).ok_or_else(|| format!("no button '{word}'"))
}

fn settings(mouse: &PsMouseHandle) -> String {
    let set = mouse.settings();
    let yes = |on: bool| if on { "yes" } else { "no" };
    format!(
        "id {} rate {} resolution {} doubled {} enabled {} remote {} wrap {} plugged-in {}",
        set.id,
        set.rate,
        set.resolution,
        yes(set.doubled),
        yes(set.enabled),
        yes(set.remote),
        yes(set.wrap),
        yes(mouse.is_plugged_in())
    )
}

fn counters(mouse: &PsMouseHandle) -> String {
    let counters = mouse.counters();
    format!(
        "to-host {} from-host {} unheard {} resets {} packets {} interrupted {} overflows {} refused {} plugged-in {}",
        counters.to_host,
        counters.from_host,
        counters.unheard,
        counters.resets(),
        counters.packets,
        counters.interrupted,
        counters.overflows,
        counters.refused,
        counters.plugged_in
    )
}

#[cfg(test)]
mod tests {
    use model_psmouse::{Clock, Config, PsMouseModel, codes::command};

    use super::*;

    fn mouse() -> (PsMouseModel, PsMouseHandle) {
        PsMouseModel::new(Config { clock: Clock::Manual, ..Config::default() })
    }

    fn say(mouse: &PsMouseHandle, line: &str) -> Result<String, String> {
        obey(line, mouse, &|| true)
    }

    #[test]
    fn lines_move_the_hand() {
        let (mut line, mouse) = mouse();
        line.write(command::ENABLE);
        mouse.advance(Duration::from_millis(5));
        assert!(line.read().is_some());
        for ok in ["move 20 -8 5", " press  Left ", "release left"] {
            assert_eq!(say(&mouse, ok), Ok("done".into()), "{ok}");
        }
        assert_eq!(say(&mouse, "rest"), Ok("busy".into()));
        let mut heard = Vec::new();
        while !mouse.is_at_rest() {
            mouse.advance(Duration::from_millis(1));
            heard.extend(line.read().map(|byte| byte.value));
        }
        assert_eq!(heard[..3], [0x28, 10, 0u8.wrapping_sub(4)]);
        assert_eq!(say(&mouse, "rest"), Ok("done".into()));
        let settings = "id 0 rate 100 resolution 2 doubled no enabled yes remote no wrap no plugged-in yes";
        assert_eq!(say(&mouse, "settings"), Ok(settings.into()));
        assert!(say(&mouse, "counters").is_ok_and(|text| text.contains("from-host 1 ") && text.contains("packets 1 ")));
        for (does, is) in [("unplug", false), ("plug-in", true)] {
            assert_eq!(say(&mouse, does), Ok("done".into()));
            mouse.advance(Duration::ZERO);
            assert_eq!(mouse.is_plugged_in(), is);
        }
    }

    #[test]
    fn what_is_no_line_of_these_is_said_and_not_done() {
        let (_line, mouse) = mouse();
        for line in [
            "",
            "   ",
            "jump",
            "move",
            "move 1",
            "move 1 2",
            "move 1 2 -3",
            "move 1 x 3",
            "press",
            "press nose",
            "turn",
        ] {
            assert!(say(&mouse, line).is_err(), "{line}");
        }
        assert!(say(&mouse, "turn 99999999999").is_err());
        assert!(say(&mouse, "settings now").is_err());
        assert!(mouse.is_at_rest());
    }
}
