//! A made-up machine: a tree in a temporary folder, and a kernel that acts on what is written to it as Linux does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fgft::{InitError, Isolation};
use tempfile::TempDir;

use super::network::{Network, Put};
use super::{Kernel, System};

pub(crate) const NIC: &str = "0000:00:04.0";

/// See the module's text.
pub(crate) struct Tree {
    folder: TempDir,
    pub(crate) kernel: Rc<FakeKernel>,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let kernel = Rc::new(FakeKernel { root: folder.path().to_owned(), ..FakeKernel::default() });
        Tree { folder, kernel }
    }

    pub(crate) fn system(&self) -> System {
        System::at(self.folder.path(), Box::new(self.kernel.clone()))
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        self.write_bytes(path, text.as_bytes());
    }

    pub(crate) fn write_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn symlink(&self, to: &str, path: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(to, path).unwrap();
    }

    pub(crate) fn address(&self, interface: &str, address: &str) {
        self.kernel.addresses.borrow_mut().push((interface.to_owned(), address.parse().unwrap()));
    }

    /// A process with files open.
    pub(crate) fn process(&self, pid: u32, name: &str, open: &[&Path]) {
        self.write(&format!("proc/{pid}/comm"), &format!("{name}\n"));
        for (fd, path) in open.iter().enumerate() {
            self.symlink(path.to_str().unwrap(), &format!("proc/{pid}/fd/{fd}"));
        }
    }

    /// A PCI function, `ids` as `10ec:8139`. The driver that has it takes it again when the kernel looks for one.
    pub(crate) fn pci(&self, at: &str, ids: &str, class: u32, driver: Option<&str>, group: Option<u32>) {
        let folder = format!("sys/bus/pci/devices/{at}");
        let (vendor, device) = ids.split_once(':').unwrap();
        self.write(&format!("{folder}/vendor"), &format!("0x{vendor}\n"));
        self.write(&format!("{folder}/device"), &format!("0x{device}\n"));
        self.write(&format!("{folder}/class"), &format!("0x{class:06x}\n"));
        self.write(&format!("{folder}/driver_override"), "(null)\n");
        if let Some(driver) = driver {
            self.driver("pci", driver);
            self.symlink(&format!("../../drivers/{driver}"), &format!("{folder}/driver"));
            self.kernel.natural.borrow_mut().insert(at.to_owned(), driver.to_owned());
        }
        if let Some(group) = group {
            self.symlink(&format!("../../../../kernel/iommu_groups/{group}"), &format!("{folder}/iommu_group"));
            self.write(&format!("sys/kernel/iommu_groups/{group}/devices/{at}/x"), "");
        }
    }

    /// A driver that is there.
    pub(crate) fn driver(&self, bus: &str, driver: &str) {
        fs::create_dir_all(self.path(&format!("sys/bus/{bus}/drivers/{driver}"))).unwrap();
    }

    /// A USB device at a port, `ids` as `07a6:8511`, with a driver at its interface.
    pub(crate) fn usb(&self, port: &str, ids: &str, product: &str, driver: Option<&str>) {
        let folder = format!("sys/bus/usb/devices/{port}");
        let (vendor, device) = ids.split_once(':').unwrap();
        let (bus, address) = (port.split('-').next().unwrap(), "5");
        for (file, text) in [
            ("idVendor", vendor),
            ("idProduct", device),
            ("busnum", bus),
            ("devnum", address),
            ("bConfigurationValue", "1"),
            ("product", product),
        ] {
            self.write(&format!("{folder}/{file}"), &format!("{text}\n"));
        }
        self.write(&format!("dev/bus/usb/{bus:0>3}/{address:0>3}"), "");
        self.write(&format!("{folder}/{port}:1.0/bInterfaceNumber"), "00\n");
        if let Some(driver) = driver {
            self.symlink(&format!("../../drivers/{driver}"), &format!("{folder}/{port}:1.0/driver"));
        }
    }

    /// A PS/2 port; `kind` is the type of its id.
    pub(crate) fn serio(&self, port: &str, kind: &str, description: &str, driver: Option<&str>) {
        let folder = format!("sys/bus/serio/devices/{port}");
        self.write(&format!("{folder}/description"), &format!("{description}\n"));
        self.write(&format!("{folder}/drvctl"), "");
        for (part, text) in [("type", kind), ("proto", "00"), ("id", "00"), ("extra", "00")] {
            self.write(&format!("{folder}/id/{part}"), &format!("{text}\n"));
        }
        if let Some(driver) = driver {
            self.driver("serio", driver);
            self.symlink(&format!("../../drivers/{driver}"), &format!("{folder}/driver"));
            self.kernel.natural.borrow_mut().insert(port.to_owned(), driver.to_owned());
        }
    }
}

/// The words of systemctl, and whether it works.
pub(crate) type Manager = Box<dyn FnMut(&[&str]) -> bool>;

/// What Linux does with what is written to sysfs, as far as binding goes.
#[derive(Default)]
pub(crate) struct FakeKernel {
    root: PathBuf,
    /// What has been written and loaded, in order.
    pub(crate) log: RefCell<Vec<String>>,
    /// The driver that takes a device of its own accord.
    pub(crate) natural: RefCell<HashMap<String, String>>,
    /// Drivers that refuse every device.
    pub(crate) refusing: RefCell<Vec<String>>,
    /// Files whose writing fails, by the end of their paths.
    pub(crate) failing: RefCell<Vec<&'static str>>,
    /// Modules that can be loaded: drivers of PCI, or what an alias stands for.
    pub(crate) loadable: RefCell<HashMap<String, String>>,
    /// Files that may not be used, by the end of their paths.
    pub(crate) denied: RefCell<Vec<&'static str>>,
    pub(crate) addresses: RefCell<Vec<(String, IpAddr)>>,
    pub(crate) no_addresses: Cell<bool>,
    /// Whether restartable sequences cannot be turned off.
    pub(crate) rseq_stays: Cell<bool>,
    pub(crate) no_keys: Cell<bool>,
    /// What interfaces carry, by their names.
    pub(crate) networks: RefCell<HashMap<String, Network>>,
    /// Interfaces onto which nothing can be put.
    pub(crate) unwilling: RefCell<Vec<String>>,
    /// The network interface that a driver makes, by the driver's name.
    pub(crate) makes: RefCell<HashMap<String, String>>,
    /// Main processes of units.
    pub(crate) units: RefCell<HashMap<String, u32>>,
    /// What the service manager does, and whether it works.
    pub(crate) managed: RefCell<Option<Manager>>,
}

impl FakeKernel {
    fn device(&self, address: &str) -> io::Result<PathBuf> {
        let folder = self.root.join("sys/bus/pci/devices").join(address);
        if folder.exists() { Ok(folder) } else { Err(io::Error::from_raw_os_error(nix::errno::Errno::ENODEV as i32)) }
    }

    /// Binds a driver, if it is there and takes it. vfio-pci makes the group's node.
    fn attach(&self, bus: &str, folder: &Path, driver: &str) {
        let refuses = self.refusing.borrow().iter().any(|refusing| refusing == driver);
        if refuses || !self.root.join(format!("sys/bus/{bus}/drivers/{driver}")).exists() {
            return;
        }
        symlink(format!("../../drivers/{driver}"), folder.join("driver")).unwrap();
        if let Some(interface) = self.makes.borrow().get(driver) {
            fs::create_dir_all(folder.join("net").join(interface)).unwrap();
        }
        if driver == "vfio-pci"
            && let Ok(group) = fs::read_link(folder.join("iommu_group"))
        {
            let node = self.root.join("dev/vfio").join(group.file_name().unwrap());
            fs::create_dir_all(node.parent().unwrap()).unwrap();
            fs::write(node, "").unwrap();
        }
    }

    fn probe(&self, address: &str) -> io::Result<()> {
        let folder = self.device(address)?;
        if folder.join("driver").is_symlink() {
            return Ok(());
        }
        let fixed = fs::read_to_string(folder.join("driver_override")).unwrap().trim().to_owned();
        let natural = self.natural.borrow().get(address).cloned();
        if let Some(driver) = if fixed == "(null)" { natural } else { Some(fixed) } {
            self.attach("pci", &folder, &driver);
        }
        Ok(())
    }
}

impl Kernel for Rc<FakeKernel> {
    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        let file = file.strip_prefix(&self.root).expect("a file of the tree").to_str().unwrap().to_owned();
        self.log.borrow_mut().push(format!("{} < {file}", text.trim()));
        if self.failing.borrow().iter().any(|end| file.ends_with(end)) {
            return Err(io::Error::from_raw_os_error(nix::errno::Errno::EBUSY as i32));
        }
        let text = text.trim();
        let parts: Vec<&str> = file.split('/').collect();
        match parts[..] {
            ["sys", "bus", "pci", "devices", address, "driver_override"] => {
                let text = if text.is_empty() { "(null)" } else { text };
                fs::write(self.device(address)?.join("driver_override"), format!("{text}\n"))
            }
            ["sys", "bus", "pci", "devices", address, "driver", "unbind"] => {
                assert_eq!(text, address);
                let _ = fs::remove_dir_all(self.device(address)?.join("net"));
                fs::remove_file(self.device(address)?.join("driver"))
            }
            ["sys", "bus", "pci", "drivers_probe"] => self.probe(text),
            ["sys", "bus", "pci", "drivers", driver, "bind"] => {
                let folder = self.device(text)?;
                self.attach("pci", &folder, driver);
                Ok(())
            }
            ["sys", "bus", "serio", "devices", port, "drvctl"] => {
                let folder = self.root.join("sys/bus/serio/devices").join(port);
                let _ = fs::remove_file(folder.join("driver"));
                let natural = self.natural.borrow().get(port).cloned();
                match text {
                    "none" => {}
                    "rescan" => natural.iter().for_each(|driver| self.attach("serio", &folder, driver)),
                    driver => self.attach("serio", &folder, driver),
                }
                Ok(())
            }
            _ => panic!("nobody writes to {file}"),
        }
    }

    fn load_module(&self, name: &str) -> io::Result<()> {
        self.log.borrow_mut().push(format!("modprobe {name}"));
        let Some(driver) = self.loadable.borrow().get(name).cloned() else {
            return Err(io::Error::other(format!("modprobe: FATAL: Module {name} not found")));
        };
        let bus = if driver == "serio_raw" { "serio" } else { "pci" };
        fs::create_dir_all(self.root.join(format!("sys/bus/{bus}/drivers/{driver}")))
    }

    fn may_use(&self, file: &Path) -> bool {
        file.exists() && !self.denied.borrow().iter().any(|end| file.ends_with(end))
    }

    fn addresses(&self) -> io::Result<Vec<(String, IpAddr)>> {
        if self.no_addresses.get() {
            return Err(io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32));
        }
        Ok(self.addresses.borrow().clone())
    }

    fn network(&self, interface: &str) -> io::Result<Option<Network>> {
        Ok(self.networks.borrow().get(interface).cloned())
    }

    fn put_network(&self, interface: &str, network: &Network) -> io::Result<Put> {
        if self.unwilling.borrow().iter().any(|unwilling| unwilling == interface) {
            return Err(io::Error::from_raw_os_error(nix::errno::Errno::ENODEV as i32));
        }
        self.log.borrow_mut().push(format!("put {} onto {interface}", network.interface));
        let network = Network { interface: interface.to_owned(), ..network.clone() };
        let put = Put { there: network.lines(), missing: Vec::new() };
        self.networks.borrow_mut().insert(interface.to_owned(), network);
        Ok(put)
    }

    fn clear_network(&self, interface: &str) -> io::Result<()> {
        self.networks.borrow_mut().remove(interface);
        Ok(())
    }

    fn manager(&self, words: &[&str]) -> io::Result<()> {
        self.log.borrow_mut().push(format!("systemctl {}", words.join(" ")));
        let works = self.managed.borrow_mut().as_mut().is_none_or(|does| does(words));
        if works { Ok(()) } else { Err(io::Error::other("Job failed. See \"journalctl -xe\" for details.")) }
    }

    fn main_pid(&self, unit: &str) -> io::Result<u32> {
        Ok(self.units.borrow().get(unit).copied().unwrap_or(0))
    }

    fn engine(&self) -> Result<Isolation, InitError> {
        match (self.rseq_stays.get(), self.no_keys.get()) {
            (true, _) => Err(InitError::Rseq),
            (false, true) => Ok(Isolation::RollbackOnly),
            (false, false) => Ok(Isolation::ProtectionKeys),
        }
    }
}
