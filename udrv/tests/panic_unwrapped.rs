//! A panic in an executable that was not linked to keep its message is contained all the same.
//!
//! This package has no build script that passes `--wrap` to the linker, so panics go to std first.
#![allow(unsafe_code, reason = "runs code inside a domain")]

use fgft::{Domain, DomainConfig, FaultKind, Isolation, StateKind, Target};

#[test]
fn a_panic_without_the_wrapper_is_contained() {
    assert!(!fgft::panics_are_wrapped(), "this test must be linked without --wrap");
    let isolation = fgft::init().unwrap();
    let config = DomainConfig::new(StateKind { name: "unwrapped", version: 1 });
    let mut domain = Domain::<u64>::new(&config, 7, ()).unwrap();
    for i in 0..1000_u64 {
        // SAFETY: the closure owns nothing.
        let result = unsafe {
            domain.run(&mut (), |n| {
                *n = i;
                if *n != u64::MAX {
                    panic!("number {i}");
                }
                0_u64
            })
        };
        let fault = result.expect_err("it panicked");
        domain.rollback();
        assert_eq!(domain.state(), 7);
        match (isolation, &fault.kind) {
            // std's first write to its panic counter hits memory that is shut
            (Isolation::ProtectionKeys, FaultKind::WildAccess { target: Target::Key(0), .. }) => {}
            (Isolation::RollbackOnly, FaultKind::Panic { message, location: Some(at) }) => {
                assert_eq!(*message, format!("number {i}"));
                assert!(at.file.ends_with("panic_unwrapped.rs"), "{at}");
            }
            (isolation, _) => panic!("{isolation:?}: {fault}"),
        }
    }
    assert!(!std::thread::panicking(), "std's own state is as before");
    let outside = std::panic::catch_unwind(|| panic!("outside"));
    assert_eq!(outside.unwrap_err().downcast_ref::<&str>(), Some(&"outside"));
}
