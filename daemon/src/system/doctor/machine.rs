//! What all devices need, and what those of a bus or a class do.

use fgft::{InitError, Isolation};
use udrv::pool::MOST_BYTES;
use udrv::vfio::MemlockTooLow;

use super::super::System;
use super::super::modules::Module;
use super::{Check, Needs};

/// The oldest kernel that udrv is tested on.
const OLDEST: (u32, u32) = (6, 1);
/// Bit of `CAP_IPC_LOCK` (linux/capability.h): VFIO asks for no limit then.
const CAP_IPC_LOCK: u32 = 14;

impl System {
    pub(super) fn check_machine(&self, needs: Needs) -> Vec<Check> {
        let mut checks = vec![self.check_kernel()];
        checks.extend(self.check_engine());
        if needs.pci || !needs.only {
            checks.push(self.check_iommu(needs.pci));
            checks.extend(self.check_unsafe());
            checks.push(self.check_locked_memory());
            checks.push(self.check_vfio(needs.pci));
        }
        if needs.net || !needs.only {
            checks.push(self.check_module_and_node("tun", "tun", "dev/net/tun", needs.net, "a network interface"));
        }
        if needs.sound || !needs.only {
            checks.extend(self.check_module(
                "snd-aloop",
                "snd-aloop",
                false,
                "applications to play through a sound card",
            ));
        }
        if needs.serio || !needs.only {
            checks.extend(self.check_module("serio_raw", "serio-raw", needs.serio, "a PS/2 mouse"));
        }
        if needs.input || !needs.only {
            checks.push(self.check_module_and_node("uinput", "uinput", "dev/uinput", needs.input, "an input device"));
        }
        checks
    }

    fn check_kernel(&self) -> Check {
        let Some(release) = self.release() else {
            let mend = "mount -t proc proc /proc";
            return Check::warning("kernel", "its version cannot be read", mend);
        };
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return Check::warning("kernel", format!("version '{release}' is not understood"), "uname -r shows it");
        };
        if (major, minor) < OLDEST {
            let says = format!("{release} is older than {}.{}, the oldest that udrv is tested on", OLDEST.0, OLDEST.1);
            return Check::warning("kernel", says, "install a newer kernel");
        }
        Check::ok("kernel", release)
    }

    /// Protection keys and restartable sequences: what the engine says when it starts.
    fn check_engine(&self) -> Vec<Check> {
        match self.kernel.engine() {
            Ok(Isolation::ProtectionKeys) => vec![
                Check::ok("protection-keys", "they work: a stray write of a driver traps"),
                Check::ok("rseq", "restartable sequences are turned off where drivers run"),
            ],
            Ok(Isolation::RollbackOnly) => {
                let (why, mend) = self.why_no_keys();
                vec![
                    Check::warning("protection-keys", format!("isolation is rollback-only: {why}"), mend),
                    Check::ok("rseq", "restartable sequences are not in the way without protection keys"),
                ]
            }
            Err(InitError::Rseq) => vec![Check::failure(
                "rseq",
                "restartable sequences cannot be turned off, and with protection keys they would end udrvd",
                "start udrvd with GLIBC_TUNABLES=glibc.pthread.rseq=0 in its environment",
            )],
            Err(error) => vec![Check::failure(
                "protection-keys",
                format!("drivers cannot be run here: {error}"),
                "look for a seccomp filter or a limit of this process: grep -i seccomp /proc/self/status; ulimit -a",
            )],
        }
    }

    fn why_no_keys(&self) -> (&'static str, &'static str) {
        let info = self.text("proc/cpuinfo").unwrap_or_default();
        let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let has = |flag| flags.split_whitespace().any(|word| word == flag);
        match (has("pku"), has("ospke")) {
            (true, false) => (
                "the kernel does not use the processor's protection keys",
                "take nopku off the kernel's command line, or use a kernel with \
                 CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS",
            ),
            (true, true) => (
                "there are protection keys, and none could be had",
                "take FGFT_ISOLATION out of the environment; a seccomp filter may forbid pkey_alloc",
            ),
            (false, _) => (
                "the processor has no protection keys, or a hypervisor hides them",
                "a processor that has them (Intel since Skylake-SP and Ice Lake, AMD since Zen 3), or a hypervisor that \
                 shows them: grep -c pku /proc/cpuinfo",
            ),
        }
    }

    fn check_iommu(&self, needed: bool) -> Check {
        let units = self.names("sys/class/iommu");
        let groups = self.names("sys/kernel/iommu_groups").len();
        if !units.is_empty() && groups > 0 {
            return Check::ok("iommu", format!("on ({}), {groups} groups", units.join(", ")));
        }
        let line = self.line("proc/cmdline").unwrap_or_default();
        let info = self.text("proc/cpuinfo").unwrap_or_default();
        let amd = info.contains("AuthenticAMD");
        let asked = line.split_whitespace().any(|word| word.starts_with("intel_iommu=on") || word == "iommu=force");
        let mend = match (amd, asked) {
            (true, _) => {
                "turn AMD-Vi (IOMMU) on in the firmware's settings, and take amd_iommu=off and iommu=off off the kernel's command line"
            }
            (false, true) => {
                "turn VT-d on in the firmware's settings: intel_iommu=on is on the kernel's command line already"
            }
            (false, false) => {
                "turn VT-d on in the firmware's settings, and boot with intel_iommu=on on the kernel's command line"
            }
        };
        Check::lacks(needed, "iommu", "off, or there is none: no PCI device can be given to a process", mend)
    }

    /// Switches of VFIO that give up the protection of the IOMMU.
    fn check_unsafe(&self) -> Vec<Check> {
        let on = |path: &str| self.line(path).is_some_and(|text| matches!(text.as_str(), "Y" | "1"));
        let mut checks = Vec::new();
        if on("sys/module/vfio/parameters/enable_unsafe_noiommu_mode") {
            checks.push(Check::warning(
                "no-iommu-mode",
                "VFIO gives devices without an IOMMU too, which can overwrite any memory",
                "echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
            ));
        }
        if on("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") {
            checks.push(Check::warning(
                "unsafe-interrupts",
                "VFIO gives devices whose interrupts are not remapped: they can raise any interrupt",
                "echo N > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
            ));
        }
        checks
    }

    /// VFIO locks all memory that a device may reach.
    fn check_locked_memory(&self) -> Check {
        const CHECK: &str = "locked-memory";
        let status = self.text("proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
        let effective = effective.and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0);
        if effective >> CAP_IPC_LOCK & 1 == 1 {
            return Check::ok(CHECK, "no limit for this user (CAP_IPC_LOCK)");
        }
        let limits = self.text("proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
        let soft = line.and_then(|line| line.split_whitespace().next());
        let limit = soft.and_then(|soft| soft.parse::<u64>().ok());
        match (soft, limit) {
            (Some("unlimited"), _) => Check::ok(CHECK, "no limit"),
            (_, Some(limit)) if limit >= MOST_BYTES => Check::ok(
                CHECK,
                format!("limit {} KiB; a device needs {} KiB at most", limit / 1024, MOST_BYTES / 1024),
            ),
            (_, Some(limit)) => {
                let low = MemlockTooLow { limit: Some(limit), locked: 0, wanted: MOST_BYTES }.to_string();
                let (says, mend) = low.split_once("; raise it with: ").unwrap_or((&low, "ulimit -l"));
                Check::failure(CHECK, says, mend)
            }
            (_, None) => Check::warning(CHECK, "the limit is not known", "ulimit -l shows it"),
        }
    }

    fn check_vfio(&self, needed: bool) -> Check {
        let node = self.path("dev/vfio/vfio");
        if node.exists() && self.exists("sys/bus/pci/drivers/vfio-pci") {
            return self.check_access("vfio", &node);
        }
        match self.module("vfio-pci") {
            Module::Loadable if !needed => Check::ok("vfio", "vfio-pci is not loaded, and can be"),
            Module::Absent => {
                Check::lacks(needed, "vfio", "this kernel has no vfio-pci", "install a kernel with CONFIG_VFIO_PCI")
            }
            _ => Check::warning("vfio", "vfio-pci is not loaded", "sudo modprobe vfio-pci (udrvctl bind does it too)"),
        }
    }

    /// A module, and the node that it makes; both are looked at by the node where there is one.
    fn check_module_and_node(
        &self,
        check: &'static str,
        module: &str,
        node: &str,
        needed: bool,
        what_for: &str,
    ) -> Check {
        let node = self.path(node);
        if node.exists() {
            let access = self.check_access(check, &node);
            return if needed { access } else { Check::lesser(access) };
        }
        let says = match self.module(module) {
            Module::Absent => {
                let mend = format!("install a kernel that has {module}");
                return Check::lacks(needed, check, format!("this kernel has no {module}, for {what_for}"), mend);
            }
            Module::Loaded | Module::BuiltIn => format!("{module} is there, and its node {} is not", node.display()),
            Module::Loadable | Module::Unknown => format!("{module} is not loaded; {what_for} needs it"),
        };
        Check::lacks(needed, check, says, format!("sudo modprobe {module}"))
    }

    fn check_module(&self, module: &str, check: &'static str, needed: bool, what_for: &str) -> Option<Check> {
        let mend = format!("sudo modprobe {module}");
        Some(match self.module(module) {
            Module::Loaded => Check::ok(check, format!("{module} is loaded")),
            Module::BuiltIn => Check::ok(check, format!("{module} is in the kernel")),
            Module::Loadable if !needed => {
                Check::ok(check, format!("{module} is not loaded, and can be, for {what_for}"))
            }
            Module::Loadable => Check::warning(check, format!("{module} is not loaded; {what_for} needs it"), mend),
            Module::Absent => {
                let mend = format!("install a kernel that has {module}");
                Check::lacks(needed, check, format!("this kernel has no {module}, for {what_for}"), mend)
            }
            Module::Unknown => Check::warning(check, format!("whether there is {module} is not known"), mend),
        })
    }
}

impl Check {
    /// The same of something that is not needed.
    fn lesser(check: Check) -> Check {
        let failed = check.verdict == super::Verdict::Failure;
        Check { verdict: if failed { super::Verdict::Warning } else { check.verdict }, ..check }
    }
}
