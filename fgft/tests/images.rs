//! Images: whole at any instruction, adopted by a successor, refused when foreign.
#![allow(unsafe_code, reason = "fork and kill; code inside a domain")]

mod common;

use std::os::fd::{AsFd, OwnedFd};

use common::*;
use fgft::{Domain, DomainConfig, ImageError, InitError, StateKind};

fn commit_counting(domain: &mut Domain<Words, u64>) {
    // SAFETY: owns nothing.
    let next = unsafe {
        domain.run(&mut (), |words| {
            let next = words[0] + 1;
            words.fill(next);
            next
        })
    };
    *domain.ledger_mut() = next.unwrap();
    domain.commit();
}

/// A child commits states in which all words are equal, as fast as it can; it is killed at a moment of no
/// one's choice; the parent adopts what is there.
#[test]
fn a_kill_at_any_instruction_leaves_a_good_image() {
    let config = DomainConfig { images: 3, ..config() };
    let mut rng = Rng(42);
    let mut last = 0;
    // this thread is known to the engine before it forks: a child would wait for ever for a lock that another test's thread has then
    commit_counting(&mut Domain::new(&config, [0; WORDS], 0).unwrap());
    for round in 0..40 {
        let mut domain = Domain::<Words, u64>::new(&config, [0; WORDS], 0).unwrap();
        let file: OwnedFd = domain.as_fd().try_clone_to_owned().unwrap();
        // SAFETY: the child runs only what follows, and is killed in it.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            loop {
                commit_counting(&mut domain);
            }
        }
        // wait until it is under way, then let it run on for a random number of our own steps
        let generation = || {
            let mut bytes = [0; 8];
            std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::from(file.try_clone().unwrap()), &mut bytes, 72)
                .unwrap();
            u64::from_ne_bytes(bytes)
        };
        while generation() < 10 {
            std::thread::yield_now();
        }
        for _ in 0..rng.below(200_000) {
            std::hint::spin_loop();
        }
        // SAFETY: our own child, not yet waited for.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
            assert!(libc::WIFSIGNALED(status), "the child ended by itself");
        }
        drop(domain);
        let mut heir = Domain::<Words, u64>::adopt(&config, file).unwrap();
        let state = heir.state();
        assert!(state.iter().all(|w| *w == state[0]), "round {round}: torn: {state:?}");
        assert_eq!(*heir.ledger(), state[0], "ledger and state are of one commit");
        assert_eq!(heir.generation(), state[0] + 1);
        commit_counting(&mut heir);
        assert_eq!(heir.state()[0], state[0] + 1, "the heir goes on from there");
        last = last.max(state[0]);
    }
    assert!(last > 100, "the children were killed in mid-life ({last} commits at most)");
}

fn adopt(config: &DomainConfig, file: OwnedFd) -> ImageError {
    match Domain::<Words, u64>::adopt(config, file) {
        Err(InitError::Image(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_the_right_image_is_refused() {
    let domain = Domain::<Words, u64>::new(&config(), [0; WORDS], 0).unwrap();
    let file = || domain.as_fd().try_clone_to_owned().unwrap();
    let newer = DomainConfig::new(StateKind { name: "words", version: 2 });
    assert!(matches!(adopt(&newer, file()), ImageError::Kind { .. }));
    let other = DomainConfig::new(StateKind { name: "sentences", version: 1 });
    let error = adopt(&other, file());
    assert!(
        error.to_string().contains("words version 1") && error.to_string().contains("sentences version 1"),
        "{error}"
    );
    assert!(matches!(
        Domain::<[u64; 3], u64>::adopt(&config(), file()),
        Err(InitError::Image(ImageError::Kind { .. }))
    ));

    let unsealed = std::fs::File::options().read(true).write(true).open("/dev/zero").unwrap();
    assert!(matches!(adopt(&config(), unsealed.into()), ImageError::NotAnImage(_)));
    // a good one, with each header byte turned in turn: refused or harmless, never a crash
    for at in 0..80 {
        let copy = Domain::<Words, u64>::new(&config(), [9; WORDS], 0).unwrap();
        let fd = copy.as_fd().try_clone_to_owned().unwrap();
        let as_file = std::fs::File::from(fd.try_clone().unwrap());
        use std::os::unix::fs::FileExt;
        let mut byte = [0];
        as_file.read_exact_at(&mut byte, at).unwrap();
        as_file.write_all_at(&[byte[0] ^ 0xff], at).unwrap();
        drop(copy);
        let _ = Domain::<Words, u64>::adopt(&config(), fd);
    }
}

/// With checksums every byte of the last image counts, and its number.
#[test]
fn a_spoilt_image_is_refused() {
    use std::os::unix::fs::FileExt;
    const GENERATION: u64 = 72;
    let mut domain = Domain::<Words, u64>::new(&config(), [9; WORDS], 7).unwrap();
    domain.set_checksums(true);
    commit_counting(&mut domain);
    let file = || domain.as_fd().try_clone_to_owned().unwrap();
    let heir = Domain::<Words, u64>::adopt(&config(), file()).unwrap();
    assert_eq!((heir.state()[0], *heir.ledger()), (10, 10));
    drop(heir);
    let bytes = std::fs::File::from(file());
    // images begin behind the header's page: state, ledger at a multiple of 64
    let image = (size_of::<Words>().next_multiple_of(64) + size_of::<u64>() + 4).next_multiple_of(64) as u64;
    let start = 4096 + domain.generation() % config().images as u64 * image;
    let state = (0..size_of::<Words>() as u64).map(|at| start + at);
    let ledger = start + size_of::<Words>().next_multiple_of(64) as u64;
    // one that leads to an older image, which is whole, is for the caller to see
    for at in state.step_by(61).chain(ledger..ledger + 8).chain([GENERATION]) {
        for bit in [1, 7] {
            let mut byte = [0];
            bytes.read_exact_at(&mut byte, at).unwrap();
            bytes.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
            let error = adopt(&config(), file());
            assert!(matches!(error, ImageError::Spoilt), "bit {bit} of byte {at}: {error}");
            bytes.write_all_at(&byte, at).unwrap();
        }
    }
    assert!(Domain::<Words, u64>::adopt(&config(), file()).is_ok());
}

#[test]
fn the_memfd_cannot_be_resized() {
    let domain = domain();
    let file = std::fs::File::from(domain.as_fd().try_clone_to_owned().unwrap());
    assert!(file.set_len(1).is_err());
    assert!(file.set_len(1 << 30).is_err());
}
