//! The second versions: what only they do. What is the same for both is in `transmit.rs` and `receive.rs`.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Driver, Error};
use udrv_driver_tests::alternate::assert_shares_nothing;

use crate::fake::{ALTERNATE, Fake};

use regs::tsd::TABT;

fn opened() -> Fake {
    Fake::opened_with(ALTERNATE)
}

#[test]
fn a_frame_is_whole_in_the_fifo_before_it_goes() {
    let mut fake = opened();
    for buffer in 0..9 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
        let threshold = fake.chip().get(regs::TSD[buffer as usize % 4].offset(), 4) >> 16 & 0x3f;
        assert!(threshold * 32 >= 1518);
        fake.chip().send(regs::tsd::TOK);
        assert_eq!(fake.poll(0), Ok(0));
    }
}

#[test]
fn shares_nothing_but_the_state_and_the_datasheet() {
    assert_shares_nothing(
        include_str!("../../src/alternate.rs"),
        &[
            "use udrv_driver::{Buffer, Cx, Error, TxFrame};",
            "use crate::regs::{self, cr, rcr, tcr, tsd};",
            "use crate::state::{Overflow, State};",
        ],
        &[include_str!("../../src/state.rs"), include_str!("../../src/tx.rs")],
    );
}

#[test]
fn too_long_is_refused_before_anything_else() {
    let mut fake = opened();
    assert_eq!(fake.transmit(0, 1793), Err(Error::Unsupported));
    assert_eq!(fake.transmit(0, 1514), Ok(()));
    assert_eq!(fake.transmit(1, 1793), Err(Error::Unsupported), "coming again would not help");
}

/// What the first version mends by itself is the class's to mend.
#[test]
fn nonsense_is_said_and_not_mended() {
    type Breaks = fn(&mut Fake);
    let broken: [(&str, Breaks); 3] = [
        ("TSD", |fake| {
            fake.chip().set(regs::TSD[0].offset(), 4, regs::tsd::RESERVED);
        }),
        ("an abort for ever", |fake| {
            for _ in 0..3 {
                fake.chip().send(TABT);
                fake.interrupt();
                assert_eq!(fake.poll(1), Ok(0));
            }
            fake.chip().send(TABT);
            fake.interrupt();
        }),
        ("a header", |fake| {
            fake.chip().receive_as(100, 1, 0xdead_beef);
        }),
    ];
    for (what, breaks) in broken {
        let mut fake = opened();
        assert_eq!(fake.transmit(1, 60), Ok(()));
        breaks(&mut fake);
        fake.chip().bus.writes.clear();
        assert!(matches!(fake.poll(8), Err(Error::Nonsense { .. })), "{what}");
        assert_eq!(fake.chip().bus.writes, [], "{what}");
        assert_eq!(fake.call(Rtl8139::restore), Ok(()));
        assert_eq!(fake.border().completed, [(1, false)], "{what}");
        fake.assert_works();
    }
}
