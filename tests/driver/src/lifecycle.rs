//! Probe, open, stop, quiesce, and a chip that does not answer.

use udrv_driver::{Driver, Error, Events, Kind, NetDriver};

use crate::{Chip, Device, Fake, MAC, Versions, with_all};

/// Rings are taken once.
pub fn a_second_probe_takes_no_more_memory<C: Chip>() {
    let mut fake = Fake::<C>::opened();
    assert_eq!(fake.chip().bus().dma.len(), 1);
    assert_eq!(fake.call(C::Driver::probe), Ok(MAC));
    assert_eq!(fake.chip().bus().dma.len(), 1);
}

/// Neither `probe` nor `quiesce` waits for ever, and a chip that hangs has been told to stop before. Where that is enough
/// to be quiet, `quiesce` does not wait at all.
pub fn a_reset_that_hangs_times_out_and_the_chip_was_told_to_stop<C: Chip>() {
    let mut fake = Fake::<C>::new();
    fake.chip().set_reset_hangs(true);
    let result = fake.call(C::Driver::probe);
    assert!(matches!(result, Err(Error::Timeout { register, .. }) if register == C::RESET), "{result:?}");
    assert!(fake.border().now < 30_000);

    let mut fake = Fake::<C>::opened();
    fake.chip().set_reset_hangs(true);
    let result = fake.call(C::Driver::quiesce);
    assert!(
        if C::QUIESCE_RESETS { matches!(result, Err(Error::Timeout { .. })) } else { result.is_ok() },
        "{result:?}"
    );
    assert!(fake.chip().is_quiet());
}

/// All ones are no chip, or accesses fail.
pub fn gone_wherever_something_is_read<C: Chip>() {
    let mut fake = Fake::<C>::new();
    fake.chip().bus().gone = true;
    assert_eq!(fake.call(C::Driver::probe), Err(Error::Gone));
    assert_eq!(fake.call(C::Driver::quiesce), Err(Error::Gone));

    with_all(|mut fake: Fake<C>| {
        assert_eq!(fake.transmit(1, 60), Ok(()));
        fake.chip().bus().gone = true;
        let entries = [C::Driver::open, C::Driver::stop, C::Driver::tx_timeout, C::Driver::quiesce, C::Driver::restore];
        for entry in entries {
            assert_eq!(fake.call(entry), Err(Error::Gone));
        }
        assert_eq!(fake.call(C::Driver::interrupt), Err(Error::Gone));
        assert_eq!(fake.call(C::Driver::link), Err(Error::Gone));
        assert_eq!(fake.call(C::Driver::get_stats).err(), C::STATS_ARE_ASKED_FOR.then_some(Error::Gone));
        assert_eq!(fake.border().kept, [1], "not given back: who knows what the chip does with it");
    });
}

/// What comes too early is refused, or finds nothing.
pub fn before_probe_and_before_open<C: Chip>() {
    for versions in Versions::ALL {
        let mut fake = Fake::<C>::new();
        fake.versions = versions;
        assert_eq!(fake.call(C::Driver::open), Err(Error::NotReady));
        assert_eq!(fake.call(C::Driver::probe), Ok(MAC));
        assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.interrupt(), Events::NONE);
    }
}

/// A card that was stopped is quiet, and works again.
pub fn open_stop_open<C: Chip>() {
    let mut fake = Fake::<C>::opened();
    fake.assert_works();
    assert_eq!(fake.call(C::Driver::stop), Ok(()));
    assert!(fake.chip().is_quiet());
    assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
    assert_eq!(fake.call(C::Driver::open), Ok(()));
    fake.assert_works();
}

/// By all that stops the chip, as lost, and nothing of it is sent later. `restore` is told that the device errs only by
/// being called, and may find that it goes on.
pub fn what_is_in_flight_is_given_back<C: Chip>() {
    let entries = [C::Driver::restore, C::Driver::open, C::Driver::stop, C::Driver::tx_timeout];
    for entry in &entries[usize::from(!C::RESTORE_DROPS)..] {
        let mut fake = Fake::<C>::opened();
        fake.assert_works();
        let room = C::TX_ROOM.min(3);
        for buffer in 0..room {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.border().completed.clear();
        assert_eq!(fake.call(entry), Ok(()));
        assert!(fake.border().completed.iter().copied().eq((0..room).map(|buffer| (buffer, false))));
        assert_eq!(fake.stats().tx_errors, room.into());
        assert_eq!(fake.call(C::Driver::open), Ok(()));
        assert!(!fake.chip().has_to_send(), "nothing of what was given back");
        fake.assert_works();
    }
}

/// It is called for a driver whose state is lost.
pub fn quiesce_needs_no_state<C: Chip>() {
    let mut fake = Fake::<C>::opened();
    fake.state = C::Driver::NEW;
    assert_eq!(fake.call(C::Driver::quiesce), Ok(()));
    assert!(fake.chip().is_quiet());
}

/// For registers in all (it numbers them, and one number is none), for those with a shadow, and for an image of the state
/// that is cheap to take.
pub fn the_framework_has_room_for_map_and_state<C: Device>() {
    let count = |counts: &dyn Fn(Kind) -> bool| -> u16 {
        C::Driver::REGISTERS.iter().filter(|register| counts(register.kind)).map(|register| register.count).sum()
    };
    assert!(count(&|_| true) < u16::MAX);
    assert!(count(&|kind| matches!(kind, Kind::Config | Kind::DmaAddress | Kind::WriteOnly)) <= 128);
    assert!(size_of::<<C::Driver as Driver>::State>() < 1024);
}
