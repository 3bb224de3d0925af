//! DMA memory, as code inside a transaction finds it: what `gate.rs` relies on, and what a driver gone wild runs into.
#![allow(unsafe_code, reason = "runs code inside a domain")]

use fgft::{Domain, DomainConfig, FaultKind, Isolation, StateKind, Target};
use udrv::dma::DmaRegion;

#[test]
fn dma_memory_is_read_inside_and_not_written() {
    let isolation = fgft::init().unwrap();
    // as the pool makes it
    let region = DmaRegion::new(4096, None).unwrap();
    region.copy_in(8, &0x1234_5678_u64.to_ne_bytes()).unwrap();
    let config = DomainConfig::new(StateKind { name: "inside", version: 1 });
    let mut domain = Domain::<u64>::new(&config, 0, ()).unwrap();
    let shared = &region;
    // SAFETY: the closure owns nothing, and changes its state only.
    let read = unsafe {
        domain.run(&mut (), |_| {
            let mut bytes = [0; 8];
            let read = shared.copy_out(8, &mut bytes).is_ok();
            if read { u64::from_ne_bytes(bytes) } else { 0 }
        })
    };
    assert_eq!(read, Ok(0x1234_5678));
    domain.commit();
    if isolation == Isolation::RollbackOnly {
        println!("skipped: without protection keys nothing stops a wild write into memory that is mapped");
        return;
    }
    let address = region.host_address() + 8;
    // SAFETY: not safe at all, but with protection keys a contained fault: that is what is tested.
    let fault = unsafe { domain.run(&mut (), |_| (address as *mut u64).write_volatile(1)) }.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::WildAccess { target: Target::Key(0), .. }), "{fault}");
    domain.rollback();
    let mut bytes = [0; 8];
    region.copy_out(8, &mut bytes).unwrap();
    assert_eq!(u64::from_ne_bytes(bytes), 0x1234_5678, "nothing was written");
}
