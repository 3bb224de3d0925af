//! Bad input: frames and descriptors that are none, an EEPROM that is broken, waits that do not end.

use udrv_driver::{Cx, Driver, Error, Level, MacAddress, NetDriver};

use crate::fake::State;
use crate::{Chip, Fake, MAC, with_both_polls};

/// Truncated, oversize, and otherwise malformed: each is dropped and counted, and what comes after it goes up.
pub fn malformed_frames_are_dropped_and_counted<C: Chip>() {
    with_both_polls(|mut fake: Fake<C>| {
        let mut tried = 0;
        loop {
            assert!(fake.chip().bring(70, 7));
            let Some(what) = fake.chip().bring_malformed(tried) else { break };
            let errors = fake.stats().rx_errors;
            let mut received = 0;
            // what came before it goes up first; then it may look like one that is under way, for as long as one can be
            for _ in 0..4 {
                received += fake.serve(8);
                fake.border().now += 20_000;
            }
            assert_eq!(received, 1, "{what}");
            assert_eq!(fake.border().delivered.pop(), Some(vec![7; 70]), "{what}");
            assert!(fake.border().delivered.is_empty(), "{what} was delivered");
            assert!(fake.stats().rx_errors > errors, "{what} was not counted");
            fake.assert_works();
            fake.border().delivered.clear();
            tried += 1;
        }
        assert!(tried >= 3, "truncated, oversize, malformed");
    });
}

/// The driver says so, gives zeros, and the administrator's address is used.
pub fn a_chip_without_an_address_is_set_one<C: Chip>() {
    let mut fake = Fake::<C>::new();
    fake.chip().lose_address();
    assert_eq!(fake.call(C::Driver::probe), Ok(MacAddress([0; 6])));
    let severe = |level: &u64| *level <= Level::Warn as u64;
    assert_eq!(fake.border().logs.iter().filter(|level| severe(level)).count(), 1, "said once");
    // nothing in between makes one up
    assert_eq!(fake.call(C::Driver::restore), Ok(()));
    assert_eq!(fake.call(|cx| C::Driver::set_mac(cx, MAC)), Ok(()));
    assert_eq!(fake.call(C::Driver::open), Ok(()));
    fake.assert_works();
    assert_eq!(fake.call(C::Driver::restore), Ok(()));
    fake.assert_works();
}

/// Nor all zeros or ones, and the one in use stays.
pub fn no_group_address_is_set<C: Chip>() {
    let mut fake = Fake::<C>::opened();
    for group in [[1, 0, 0, 0, 0, 0], [0xff; 6], [0; 6]] {
        assert_eq!(fake.call(|cx| C::Driver::set_mac(cx, MacAddress(group))), Err(Error::Unsupported));
        assert_eq!(fake.chip().mac(), MAC.0);
    }
    fake.assert_works();
}

/// Microseconds that a driver may wait within a call: what the slowest of what is waited for, an EEPROM, is given.
const LONGEST_WAIT: u64 = 60_000;

/// For a driver's own waits: `entry` gives up on `register` in time once the chip is broken, and goes well when it is
/// mended.
///
/// # Panics
/// If it does not.
pub fn assert_gives_up_in_time<C: Chip, T: std::fmt::Debug>(
    mut fake: Fake<C>,
    register: u16,
    set_broken: impl Fn(&mut C, bool),
    entry: impl Fn(&mut Cx<'_, State<C>>) -> Result<T, Error>,
) {
    let before = fake.border().now;
    set_broken(fake.chip(), true);
    let result = fake.call(&entry);
    assert!(matches!(result, Err(Error::Timeout { register: r, .. }) if r == register), "{result:?}");
    let waited = fake.border().now - before;
    assert!(waited < LONGEST_WAIT, "{waited} us");
    set_broken(fake.chip(), false);
    assert!(fake.call(&entry).is_ok());
    assert_eq!(fake.call(C::Driver::open), Ok(()));
    fake.assert_works();
}
