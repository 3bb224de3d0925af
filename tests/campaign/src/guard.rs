//! What a mutant could do to the machine if it jumped into a function of the C library: nothing.

use std::collections::BTreeMap;

use libc::{O_RDWR, O_WRONLY};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, geteuid, setuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// Of the user that owns nothing.
const NOBODY: u32 = 65534;

/// Calls that no trial makes.
const NEVER: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_creat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setpgid,
    libc::SYS_setsid,
];

/// From here on this process owns nothing and writes to no file.
///
/// # Panics
/// When the kernel does not let it: a trial without a guard is not made.
pub(crate) fn confine() {
    if geteuid().is_root() {
        setuid(Uid::from_raw(NOBODY)).expect("root may be anybody");
    }
    // a trial that waits for ever is ended by its parent; behind the change of the user, which forgets it
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("ends with its parent");
    // its own /proc/self is read for reports
    nix::sys::prctl::set_dumpable(true).expect("dumpable");
    let filter: BpfProgram = filter().expect("a filter").try_into().expect("a program");
    apply_filter(&filter).expect("a filter for system calls");
}

fn filter() -> Result<SeccompFilter, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    // opening a file to write into it: the third argument of openat, the second of open
    for (call, argument) in [(libc::SYS_open, 1), (libc::SYS_openat, 2)] {
        let writes = |flag: i32| {
            let flag = flag as u64;
            let condition =
                SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)?;
            SeccompRule::new(vec![condition])
        };
        rules.insert(call, vec![writes(O_WRONLY)?, writes(O_RDWR)?, writes(libc::O_CREAT)?]);
    }
    // a signal to a thread of another process
    let own = u64::from(std::process::id());
    let others = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![others])?]);
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), TargetArch::x86_64)
}
