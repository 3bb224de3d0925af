//! `cargo xtask guest`: programs and tests in a QEMU guest with an IOMMU, PCI cards and loadable kernel modules.
//!
//! The host needs apt (with any sources that carry Debian 12), setpriv and ldd; no root, no KVM, nothing installed.
//! The first run fetches QEMU, the kernel and some tools into `target/guest-cache`; later runs work offline.
//!
//! ```text
//! cargo xtask guest exec -- target/debug/my-test --verbose     run a program as root in the guest, exit with its code
//! cargo xtask guest exec --kernel backports --module tun --env RUST_LOG=debug -- target/debug/my-test
//! cargo xtask guest nic-smoke                                  an rtl8139 under VFIO, an e1000 under Linux's driver
//! cargo xtask guest e1000 --variant e1000-82544gc              our driver on a card of `cards.rs`, under faults
//! ```
//!
//! Each run leaves `target/guest/<scenario>/`: `serial.log` (the console) and `results/` (what the guest put into its
//! `/results`, besides `dmesg` and `status`). A scenario of one's own is a [`Guest`], built up and run:
//!
//! ```text
//! let outcome = Guest::new("demo").vfio().nic("rtl8139", 4, 0).script(". /guest/lib.sh\nbind_vfio 0000:00:04.0").run()?;
//! ```
//!
//! Scripts run under busybox's sh with the helpers of `lib.sh`. This is not a distribution: no systemd, no udev, and
//! no module is loaded on demand: name each. [`Guest::systemd`] is one, and takes ten seconds longer to boot.

pub(crate) mod adopt;
pub(crate) mod aloop;
mod archive;
pub(crate) mod cards;
mod cpio;
mod error;
mod exec;
pub(crate) mod hand_back;
mod initramfs;
pub(crate) mod input;
mod judged;
mod kernel;
mod modules;
pub(crate) mod nic;
mod nic_smoke;
pub(crate) mod oracle;
mod outcome;
mod packages;
pub(crate) mod pair;
mod process;
mod qemu;
mod served;
pub(crate) mod sound;
mod storm;
pub(crate) mod systemd;
pub(crate) mod tool;
mod tools;
mod vhci;

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Subcommand;

use crate::cargo;

use self::{error::Doing, packages::Cache, qemu::Run, tools::Tools};
pub(crate) use self::{
    error::{Error, Result},
    exec::quoted,
    kernel::Kernel,
    outcome::Outcome,
};

/// What `--help` says after the list of scenarios.
const NOTE: &str = "\
The first run fetches QEMU, a kernel and tools (100 MB) into target/guest-cache, unpacked, with the machine's apt; nothing
is installed. Later runs work offline. Each leaves target/guest/<scenario>/: serial.log and results/ (dmesg, status, and
what the guest put into its /results). Exit code 125: the guest itself failed.

  cargo xtask guest exec -- target/debug/my-test --verbose
  cargo xtask guest exec --kernel backports --module tun --env RUST_LOG=debug -- target/debug/my-test
  cargo xtask guest nic-smoke";

/// Which devices of a family a step of `cargo xtask test` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that differ most.
    Usual,
    /// The rest.
    Others,
}

/// The arguments of `cargo xtask guest`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTE)]
pub(crate) struct Args {
    #[command(subcommand)]
    scenario: Scenario,
}

/// What there is to run. The help texts stand at the arguments' types.
#[derive(Debug, Subcommand)]
enum Scenario {
    Exec(exec::Args),
    NicSmoke(nic_smoke::Args),
    Adopt(adopt::Args),
    Pair(pair::Args),
    Aloop(aloop::Args),
    Ens1371(sound::Args),
    Psmouse(input::Args),
    Udrvctl(tool::Args),
    Systemd(systemd::Args),
    HandBack(hand_back::Args),
    #[command(flatten)]
    Nic(nic::Scenario),
}

/// Runs a scenario. A guest that could not be run to its end gives exit code 125.
pub(crate) fn main(args: Args) -> ExitCode {
    /// As `timeout` and `chroot` have it: the code of the program that runs another, when it fails itself.
    const OWN_FAILURE: u8 = 125;
    let code = match args.scenario {
        Scenario::Exec(args) => exec::run(args),
        Scenario::NicSmoke(args) => nic_smoke::run(args),
        Scenario::Adopt(args) => adopt::run(&args),
        Scenario::Pair(args) => pair::run(&args),
        Scenario::Aloop(args) => aloop::run(&args),
        Scenario::Ens1371(args) => sound::run(&args),
        Scenario::Psmouse(args) => input::run(&args),
        Scenario::Udrvctl(args) => tool::run(&args),
        Scenario::Systemd(args) => systemd::run(&args),
        Scenario::HandBack(args) => hand_back::run(&args),
        Scenario::Nic(scenario) => nic::run(&scenario),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("guest: {error}");
            ExitCode::from(OWN_FAILURE)
        }
    }
}

/// A guest to be run: what is in it, what it is made of, how long it may take.
#[derive(Debug)]
#[must_use = "a guest does nothing until it is run"]
pub(crate) struct Guest {
    scenario: String,
    kernel: Kernel,
    modules: Vec<String>,
    modules_at_hand: Vec<String>,
    parameters: Vec<(String, String)>,
    programs: Vec<(PathBuf, String)>,
    files: Vec<(String, u32, Vec<u8>)>,
    arguments: Vec<OsString>,
    hub_ports: u32,
    kernel_line: String,
    script: String,
    iommu: bool,
    echo: bool,
    newer_qemu: bool,
    alsa: bool,
    systemd: bool,
    memory: u32,
    processors: u32,
    counted: bool,
    timeout: Duration,
}

impl Guest {
    /// A guest of one processor and 256 MiB, without an IOMMU or cards, that has 60 s for an empty script.
    /// `scenario` names the folder that it leaves.
    pub(crate) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            kernel: Kernel::default(),
            modules: Vec::new(),
            modules_at_hand: Vec::new(),
            parameters: Vec::new(),
            programs: Vec::new(),
            files: Vec::new(),
            arguments: Vec::new(),
            hub_ports: 0,
            kernel_line: String::new(),
            script: String::new(),
            iommu: false,
            echo: false,
            newer_qemu: false,
            alsa: false,
            systemd: false,
            memory: 256,
            processors: 1,
            counted: false,
            timeout: Duration::from_secs(60),
        }
    }

    /// Chooses the kernel.
    pub(crate) fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Loads a module, and those it needs before it. Parameters may follow its name: `snd-aloop index=2`.
    pub(crate) fn module(mut self, module: &str) -> Self {
        let (name, parameters) = module.split_once(' ').unwrap_or((module, ""));
        self.parameters.push((modules::name_of(name), parameters.to_owned()));
        self.modules.push(name.to_owned());
        self
    }

    /// Puts a module, and those it needs, into `/guest/modules` for the script to load.
    pub(crate) fn module_at_hand(mut self, module: &str) -> Self {
        self.modules_at_hand.push(module.to_owned());
        self
    }

    /// Puts a program of the host, with its libraries, into the guest's `PATH` under its own name.
    pub(crate) fn program(self, host_path: impl Into<PathBuf>) -> Self {
        let host_path = host_path.into();
        let name = host_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.program_at(host_path, &format!("{}/{name}", initramfs::PROGRAMS))
    }

    /// Puts udrvctl into it, built for release.
    ///
    /// # Errors
    /// It cannot be built.
    pub(crate) fn udrvctl(self) -> Result<Self> {
        let built = cargo::release_programs(&cargo::TOGETHER, &["udrvctl"]).map_err(|failure| Error::Program {
            program: "the build of udrvctl".to_owned(),
            status: failure.to_string(),
            stderr: String::new(),
        })?;
        Ok(built.into_iter().fold(self, Guest::program))
    }

    /// Puts a program of the host, with its libraries, at a path in the guest. Any other file will do too.
    pub(crate) fn program_at(mut self, host_path: impl Into<PathBuf>, guest_path: &str) -> Self {
        self.programs.push((host_path.into(), guest_path.to_owned()));
        self
    }

    /// Puts a file into the guest, with its permission bits.
    pub(crate) fn file(mut self, guest_path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((guest_path.to_owned(), mode, bytes.into()));
        self
    }

    /// Plugs in a network card: QEMU's name for it, its slot on bus 0 (1 to 30; 4 gives `0000:00:04.0`) and the hub
    /// that its cable goes to. Cards on one hub see each other's frames. Its address is `52:54:00:00:HUB:SLOT`.
    pub(crate) fn nic(mut self, model: &str, slot: u8, hub: u8) -> Self {
        let port = self.hub_ports;
        self.hub_ports += 1;
        // An option ROM would only cost boot time: nothing boots from the network.
        let device = format!("{model},netdev=port{port},addr={slot:#x},mac=52:54:00:00:{hub:02x}:{slot:02x},romfile=");
        self.qemu(["-netdev", &format!("hubport,id=port{port},hubid={hub}"), "-device", &device])
    }

    /// Plugs in a network card as [`Guest::nic`] does, whose cable goes to a socket on the host that whoever is at its other
    /// end listens to.
    pub(crate) fn nic_at(self, model: &str, slot: u8, cable: &Path) -> Self {
        let port = qemu::with_path("stream,id=cable,server=off,addr.type=unix,addr.path=", cable);
        let device = format!("{model},netdev=cable,addr={slot:#x},mac=52:54:00:00:ff:{slot:02x},romfile=");
        self.qemu(["-netdev".into(), port, "-device".into(), device.into()])
    }

    /// Plugs in the PCI function that a vfio-user server shows at `socket`: at slot `slot` of bus 0. The server is to be
    /// there when the guest is run. Its memory is shared with the server.
    pub(crate) fn vfio_user(mut self, socket: &Path, slot: u8) -> Self {
        self.newer_qemu = true;
        let socket = serde_json::json!({ "type": "unix", "path": socket });
        // no option ROM: nothing boots from it, and the server shows none
        let device = serde_json::json!({
            "driver": "vfio-user-pci", "socket": socket, "rombar": 0, "addr": format!("{slot:#x}"),
        });
        self.qemu(["-device", &device.to_string()])
    }

    /// Plugs in, at port 1 of a host controller of its own, the USB device that a server shows over usb-redir at `socket`. The
    /// server is to be there when the guest is run.
    pub(crate) fn usb_redir(self, socket: &Path) -> Self {
        let chardev = qemu::with_path("socket,id=adapter,path=", socket);
        let guest = self.module("xhci-pci").qemu(["-device", "qemu-xhci,id=usb"]);
        guest.qemu(["-chardev".into(), chardev, "-device".into(), "usb-redir,chardev=adapter,bus=usb.0,port=1".into()])
    }

    /// Puts aplay, arecord and amixer into the guest's `PATH`.
    pub(crate) fn alsa(mut self) -> Self {
        self.alsa = true;
        self
    }

    /// Boots a Debian with systemd, udev and networkd instead of the bare root. Its modules are loaded when something asks for them;
    /// a program finds Debian's libraries; the script runs as a service, under dash with Debian's programs.
    pub(crate) fn systemd(mut self) -> Self {
        self.systemd = true;
        self
    }

    /// Adds arguments to QEMU's command line.
    pub(crate) fn qemu<S: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds words to the kernel's command line.
    pub(crate) fn kernel_line(mut self, words: &str) -> Self {
        self.kernel_line = format!("{} {words}", self.kernel_line).trim().to_owned();
        self
    }

    /// Gives the machine an IOMMU (Intel's, with interrupt remapping), which VFIO needs.
    pub(crate) fn iommu(mut self) -> Self {
        self.iommu = true;
        self
    }

    /// Gives the machine an IOMMU and loads what VFIO needs for PCI devices. Bind them with `bind_vfio` of `lib.sh`, which
    /// calls udrvctl.
    pub(crate) fn vfio(self) -> Self {
        // The second one no symbol asks for: the kernel would have modprobe load it, and there is none in the guest.
        self.iommu().module("vfio-pci").module("vfio_iommu_type1")
    }

    /// Sets the memory in MiB.
    pub(crate) fn memory(mut self, mib: u32) -> Self {
        self.memory = mib;
        self
    }

    /// Sets the number of processors. More than one is slower on a busy host.
    pub(crate) fn processors(mut self, count: u32) -> Self {
        self.processors = count;
        self
    }

    /// The guest's clock counts the instructions of its one processor, a nanosecond each, while that is not idle. What the host does
    /// besides does not show in its times; how long QEMU takes for a device does not either.
    pub(crate) fn counted(mut self, counted: bool) -> Self {
        self.counted = counted;
        self
    }

    /// Sets the wall clock time from QEMU's start to its end.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Writes the console to standard output as it comes, besides keeping it.
    pub(crate) fn echo(mut self) -> Self {
        self.echo = true;
        self
    }

    /// Sets what runs as root once the modules are in: a script for busybox's sh. Its status is the exit code; what it
    /// puts into `/results` comes out.
    pub(crate) fn script(mut self, text: &str) -> Self {
        text.clone_into(&mut self.script);
        self
    }

    /// Boots the guest, waits for its end and takes its results out.
    ///
    /// # Errors
    /// If something is missing on the host, or the guest does not come to the end of its script in time. A script that
    /// fails is no error but an outcome.
    pub(crate) fn run(mut self) -> Result<Outcome> {
        let target = workspace().join("target");
        let cache = Cache::new(target.join("guest-cache"));
        let tools = Tools::provide(&cache)?;
        let qemu = if self.newer_qemu { Tools::provide_newer_qemu(&cache)? } else { tools.clone() };
        let kernel = self.kernel.provide(&cache, &tools)?;
        let (folder, _lock) = run_folder(&target.join("guest"), &self.scenario)?;

        let initramfs = folder.join("initramfs.cpio");
        let archive = if self.systemd {
            let image = systemd::root::provide(&cache)?;
            self = self.qemu(systemd::root::drive(&image));
            self.over_systemd(&cache, &tools, &kernel)?
        } else {
            self.bare(&cache, &tools, &kernel)?
        };
        fs::write(&initramfs, archive).doing(|| format!("write {}", initramfs.display()))?;

        let run = Run {
            tools: &qemu,
            shared_memory: self.newer_qemu,
            image: kernel.image(),
            initramfs,
            kernel_line: self.kernel_line,
            arguments: self.arguments,
            iommu: self.iommu,
            memory: self.memory,
            processors: self.processors,
            counted: self.counted,
            timeout: self.timeout,
            console: folder.join("serial.log"),
            results: folder.join("results.tar"),
            echo: self.echo,
        };
        let start = Instant::now();
        run.run()?;
        let seconds = start.elapsed().as_secs_f64();
        Outcome::collect(&tools, run.console, &run.results, folder.join("results"), seconds)
    }
}

/// The workspace's root: above this crate, which cargo names to what it runs.
pub(crate) fn workspace() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = PathBuf::from(here);
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}

/// An emptied folder for a run, and the lock that keeps it. A scenario that is already running gets another folder.
fn run_folder(all: &Path, scenario: &str) -> Result<(PathBuf, File)> {
    fs::create_dir_all(all).doing(|| format!("create {}", all.display()))?;
    for number in 1.. {
        let name = if number == 1 { scenario.to_owned() } else { format!("{scenario}-{number}") };
        let lock = all.join(format!(".{name}.lock"));
        let lock = File::create(&lock).doing(|| format!("create {}", lock.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { doing: format!("lock the folder of {name}"), source });
            }
        }
        let folder = all.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).doing(|| format!("empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("results")).doing(|| format!("create {}", folder.display()))?;
        return Ok((folder, lock));
    }
    unreachable!("a free number is found first")
}
