//! One run of QEMU: its command line, its console, its deadline, its end.
//!
//! Knows nothing of what runs inside. Emulation only (no KVM), so that every machine gives the same guest.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{Doing, Error, Result},
    tools::Tools,
};

/// QEMU's exit code once the init script came to its end: isa-debug-exit makes 2 n + 1 of the 0x10 that it writes.
/// A kernel that panics or resets ends with 0, a QEMU that does not start with 1.
const ENDED_BY_SCRIPT: i32 = 2 * 0x10 + 1;

/// The kernel's command line for every guest: console on the serial port, a panic ends the machine, and no time spent
/// on what an emulated machine of one processor does not need.
const KERNEL_LINE: &str = "console=ttyS0 panic=-1 quiet mitigations=off rcupdate.rcu_expedited=1 tsc=reliable \
                           no_timer_check";

/// All that the emulator has but fast string moves: it does those a byte at a time, and the kernel, where it sees them, copies
/// with nothing else. Without them it copies by words, and TCP between two of Linux's own drivers is twice as fast.
const PROCESSOR: &str = "max,-erms,-fsrm";

/// What a run needs.
pub(crate) struct Run<'a> {
    /// Where QEMU is.
    pub(crate) tools: &'a Tools,
    /// The kernel's ELF image.
    pub(crate) image: PathBuf,
    /// The root, as a cpio archive.
    pub(crate) initramfs: PathBuf,
    /// More words for the kernel's command line.
    pub(crate) kernel_line: String,
    /// More arguments: devices, mostly.
    pub(crate) arguments: Vec<OsString>,
    /// Whether there is an IOMMU, and the kernel uses it.
    pub(crate) iommu: bool,
    /// The guest's memory in MiB.
    pub(crate) memory: u32,
    /// Whether the guest's memory is a memfd that can be given to another process.
    pub(crate) shared_memory: bool,
    /// How many processors.
    pub(crate) processors: u32,
    /// Its clock counts instructions.
    pub(crate) counted: bool,
    /// The wall clock time that it has.
    pub(crate) timeout: Duration,
    /// Where the console is kept.
    pub(crate) console: PathBuf,
    /// Where the second serial port is kept.
    pub(crate) results: PathBuf,
    /// Whether the console is also written to standard output as it comes.
    pub(crate) echo: bool,
}

impl Run<'_> {
    fn command(&self) -> Command {
        // A guest must not outlive this program, however that ends: the kernel kills it with its parent.
        let mut command = Command::new("setpriv");
        let qemu = self.tools.command("usr/bin/qemu-system-x86_64", "qemu-system-x86_64");
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu.get_program()).args(qemu.get_args());
        command.env("QEMU_MODULE_DIR", self.tools.qemu_modules());
        command.arg("-L").arg(self.tools.path("usr/share/qemu"));
        command.arg("-L").arg(self.tools.path("usr/share/seabios"));
        command.args("-machine q35,kernel-irqchip=split -nodefaults -accel".split(' '));
        // with one thread an instruction is a nanosecond of the guest's time, whatever else the host does
        let counted = "tcg,thread=single -icount shift=0,sleep=on -cpu";
        command.args(if self.counted { counted } else { "tcg,thread=multi -cpu" }.split(' '));
        command.arg(PROCESSOR);
        command.args("-display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4".split(' '));
        command.args(["-m", &self.memory.to_string(), "-smp", &self.processors.to_string()]);
        if self.shared_memory {
            let object = format!("memory-backend-memfd,id=memory,size={}M,share=on", self.memory);
            command.args(["-object", &object, "-machine", "memory-backend=memory"]);
        }
        command.args("-chardev stdio,id=console,signal=off -serial chardev:console".split(' '));
        command.arg("-chardev").arg(with_path("file,id=results,path=", &self.results));
        command.args(["-serial", "chardev:results"]);
        let mut line = KERNEL_LINE.to_owned();
        if self.iommu {
            // a vfio-user device is told of each mapping, which the guest does not know that it must tell of
            let mapping = if self.shared_memory { ",caching-mode=on" } else { "" };
            command.args(["-device", &format!("intel-iommu,intremap=on{mapping}")]);
            line += " intel_iommu=on";
        }
        line = format!("{line} {}", self.kernel_line);
        command.arg("-kernel").arg(&self.image).arg("-initrd").arg(&self.initramfs).args(["-append", line.trim_end()]);
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Runs the guest to its end, which its init script must have made.
    ///
    /// # Errors
    /// [`Error::Deadline`] and [`Error::Died`], each with the console's last lines.
    pub(crate) fn run(&self) -> Result<()> {
        let log = File::create(&self.console).doing(|| format!("create {}", self.console.display()))?;
        let stderr = log.try_clone().doing(|| format!("open {}", self.console.display()))?;
        let mut child = self.command().stderr(stderr).spawn().doing(|| "start setpriv and QEMU".to_owned())?;
        let deadline = Instant::now() + self.timeout;
        let pipe = child.stdout.take().expect("standard output is a pipe");
        let echo = self.echo;
        // Never sends: its end is the message.
        let (ended, end) = sync_channel::<()>(0);
        let reader = thread::spawn(move || {
            let _ended = ended;
            tee(pipe, log, echo)
        });
        let status = wait(&mut child, &end, deadline)?;
        let console = || std::fs::read_to_string(&self.console).unwrap_or_default();
        reader.join().expect("the reader does not panic").doing(|| format!("write {}", self.console.display()))?;
        match status {
            None => Err(Error::Deadline { limit: self.timeout, log: self.console.clone(), console: console() }),
            Some(status) if status.code() == Some(ENDED_BY_SCRIPT) => Ok(()),
            Some(status) => {
                Err(Error::Died { status: status.to_string(), log: self.console.clone(), console: console() })
            }
        }
    }
}

/// Waits for the end of the child's output, which is the child's end. `None` if the deadline came first: then the
/// child is killed, and no other process.
fn wait(child: &mut Child, end: &Receiver<()>, deadline: Instant) -> Result<Option<ExitStatus>> {
    let left = deadline.saturating_duration_since(Instant::now());
    let in_time = end.recv_timeout(left) != Err(RecvTimeoutError::Timeout);
    if !in_time {
        child.kill().doing(|| "kill QEMU".to_owned())?;
    }
    let status = child.wait().doing(|| "wait for QEMU".to_owned())?;
    Ok(in_time.then_some(status))
}

/// Copies the console to its log, and to standard output if asked. Carriage returns go: the line is a terminal's.
fn tee(mut pipe: impl Read, mut log: File, echo: bool) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut echo = echo.then(io::stdout);
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let text: Vec<u8> = buffer[..count].iter().copied().filter(|byte| *byte != b'\r').collect();
        log.write_all(&text)?;
        if let Some(stdout) = &mut echo {
            stdout.write_all(&text)?;
            stdout.flush()?;
        }
    }
}

/// An option's value that ends with a path: in QEMU's syntax a comma in it is doubled.
pub(crate) fn with_path(option: &str, path: &Path) -> OsString {
    let mut value = OsString::from(option);
    match path.to_str() {
        Some(text) => value.push(text.replace(',', ",,")),
        None => value.push(OsStr::new(path)),
    }
    value
}
