//! The register window over a card of plain registers: any sequence of accesses, aborted, leaves the card as it was;
//! committed, it rings each doorbell once and in order. Seeded, so that a failure can be run again.

use std::sync::Arc;

use model_wire::Rng;
use udrv::device::Opened;
use udrv::keep::Kept;
use udrv::ledger::Ledger;
use udrv::window::Window;
use udrv_driver::{Bus, Error, Kind, RegisterInfo};
use udrv_tests::bare::{BareCard, Door, UNTOLD};

const fn register(name: &'static str, offset: u16, width: u8, kind: Kind, count: u16) -> RegisterInfo {
    RegisterInfo { name, offset, width, kind, count }
}

/// Every kind at every width, and arrays.
const MAP: &[RegisterInfo] = &[
    register("CFG8", 0x00, 1, Kind::Config, 1),
    register("CFG16", 0x02, 2, Kind::Config, 1),
    register("CFG32", 0x04, 4, Kind::Config, 3),
    register("ADDRESS", 0x10, 4, Kind::DmaAddress, 2),
    register("STATUS", 0x18, 4, Kind::ReadOnly, 1),
    register("CAUSES_R", 0x1c, 2, Kind::ReadClears, 1),
    register("CAUSES_W", 0x1e, 2, Kind::WriteOneClears, 1),
    register("BELL", 0x20, 4, Kind::Doorbell, 2),
    register("SECRET", 0x28, 4, Kind::WriteOnly, 2),
    register("COMMAND", 0x30, 1, Kind::Command, 1),
    register("TAIL", 0x34, 4, Kind::Tail, 1),
    register("QUEUE", 0x38, 4, Kind::Fifo, 1),
];
/// The card's memory as the device sees it.
const DMA: std::ops::Range<u64> = 0x10_0000..0x12_0000;

const CAUSES_R: u64 = 0x1c;
const CAUSES_W: u64 = 0x1e;
const QUEUE: u64 = 0x38;

struct Setup {
    window: Window,
    door: Door,
    ledger: Ledger,
    /// The ledger of the last commit, as a domain's image keeps it.
    committed: Ledger,
    /// WriteOnly registers that were written by a call that committed.
    told: Vec<u64>,
}

impl Setup {
    fn new() -> Setup {
        let (card, door) = BareCard::new(MAP);
        let device = Opened::from(Box::new(card)).fit(Bus::Pci { bars: &[0], pages: None }).expect("it has BAR 0");
        let window = Window::new(device, MAP, DMA, Arc::new(Kept::new().expect("memory")));
        Setup { window, door, ledger: Ledger::new(), committed: Ledger::new(), told: Vec::new() }
    }

    fn read(&mut self, offset: u64, width: u64) -> u32 {
        self.window.read(&mut self.ledger, offset, width).expect("no refusal").expect("no error")
    }

    fn write(&mut self, offset: u64, width: u64, value: u32) {
        self.window.write(&mut self.ledger, offset, width, value.into()).expect("no refusal").expect("no error");
    }

    fn refused(&mut self, offset: u64, width: u64, value: Option<u64>) -> String {
        let before = self.door.inside().clone();
        let answer = match value {
            Some(value) => self.window.write(&mut self.ledger, offset, width, value),
            None => self.window.read(&mut self.ledger, offset, width),
        };
        let after = self.door.inside().clone();
        assert_eq!((before.reads, before.writes), (after.reads, after.writes), "a refused access reaches no device");
        answer.expect_err("a broken rule").0
    }

    fn commit(&mut self) {
        assert!(self.window.commit(|_, _| panic!("nothing was handed over")));
        self.committed = self.ledger;
    }

    fn abort(&mut self) -> bool {
        let needs_restore = self.window.abort();
        self.ledger = self.committed;
        needs_restore
    }
}

/// What a random call did.
#[derive(Default)]
struct Call {
    bells: Vec<(u16, u32)>,
    commands: usize,
    secrets: Vec<u64>,
    /// Causes seen in the clearing-by-reading register, and acknowledged in the other.
    seen: u32,
    acknowledged: u32,
}

/// One call of up to 30 random accesses; values read are what was written, or what the card holds.
fn random_call(s: &mut Setup, dice: &mut Rng) -> Call {
    let mut call = Call::default();
    for _ in 0..dice.below(30) {
        let info = MAP[dice.below(MAP.len() as u64) as usize];
        let element = dice.below(info.count.into());
        let (offset, width) = (u64::from(info.offset) + element * u64::from(info.width), u64::from(info.width));
        // one bit below all ones, which would ask whether the card is there
        let value = dice.next_u64() as u32 & (u32::MAX >> (32 - 8 * width)) & !1;
        let writes = dice.below(2) == 0;
        match info.kind {
            Kind::Config if writes => {
                s.write(offset, width, value);
                assert_eq!(s.read(offset, width), value, "{} reads what was written", info.name);
            }
            Kind::DmaAddress if writes => {
                let value = if value & 2 == 0 { 0 } else { DMA.start as u32 + (value & 0x1_fffc) };
                s.write(offset, width, value);
                assert_eq!(s.read(offset, width), value);
            }
            Kind::Config | Kind::DmaAddress => {
                let held = s.door.inside().values[offset as usize];
                assert_eq!(s.read(offset, width), held, "{}: the shadow and the card agree", info.name);
            }
            Kind::Doorbell if writes => {
                s.write(offset, width, value);
                call.bells.push((offset as u16, value));
            }
            Kind::Tail if writes => {
                s.write(offset, width, value);
                // the last of several in a row says it all
                call.bells.pop_if(|(rung, _)| u64::from(*rung) == offset);
                call.bells.push((offset as u16, value));
            }
            Kind::Command if writes => {
                s.write(offset, width, value);
                call.commands += 1;
            }
            Kind::WriteOnly if writes => {
                s.write(offset, width, value);
                call.secrets.push(offset);
            }
            Kind::WriteOnly => {} // reading what was never written is refused: see below
            Kind::ReadClears => call.seen |= s.read(offset, width),
            Kind::WriteOneClears if writes => {
                let bits = s.read(offset, width) & value;
                s.write(offset, width, bits);
                call.acknowledged |= bits;
            }
            Kind::Fifo | Kind::WriteOneClears | Kind::ReadOnly | Kind::Doorbell | Kind::Tail | Kind::Command => {
                s.read(offset, width);
            }
        }
    }
    call
}

/// The card gets new causes, as devices do at any time.
fn raise(door: &Door, dice: &mut Rng) -> (u32, u32) {
    let (r, w) = (dice.next_u64() as u32 & 0x7ffe, dice.next_u64() as u32 & 0x7ffe);
    let mut inside = door.inside();
    inside.values[CAUSES_R as usize] |= r;
    inside.values[CAUSES_W as usize] |= w;
    (inside.values[CAUSES_R as usize], inside.values[CAUSES_W as usize])
}

/// Values of what is configuration: what an abort must put back.
fn configuration(door: &Door) -> Vec<u32> {
    let inside = door.inside();
    let kept = MAP.iter().filter(|r| matches!(r.kind, Kind::Config | Kind::DmaAddress));
    kept.flat_map(|r| (0..r.count).map(|n| inside.values[usize::from(r.offset + n * u16::from(r.width))])).collect()
}

#[test]
fn any_sequence_aborted_leaves_the_card_as_it_was_and_committed_rings_once_and_in_order() {
    for seed in 0..3000 {
        let mut dice = Rng::new(seed);
        let mut s = Setup::new();
        for value in &mut s.door.inside().values {
            *value = dice.next_u64() as u32 & 0x7e;
        }
        // causes that no committed call has seen yet, by register
        let (mut pending_r, mut pending_w) = (0, 0);
        for _ in 0..6 {
            let (held_r, held_w) = raise(&s.door, &mut dice);
            (pending_r, pending_w) = (pending_r | held_r, pending_w | held_w);
            let before = configuration(&s.door);
            let known = s.told.clone();
            let rung_before = s.door.inside().rung.len();
            let call = random_call(&mut s, &mut dice);
            assert_eq!(s.door.inside().rung.len(), rung_before, "seed {seed}: no doorbell rings before commit");
            if dice.below(2) == 0 {
                let unknown = call.secrets.iter().any(|offset| !known.contains(offset));
                assert_eq!(s.abort(), call.commands > 0 || unknown, "seed {seed}: when `restore` is needed");
                assert_eq!(configuration(&s.door), before, "seed {seed}: an abort puts back what was");
                assert_eq!(s.door.inside().rung.len(), rung_before, "seed {seed}: an abort rings nothing");
            } else {
                s.commit();
                assert_eq!(s.door.inside().rung[rung_before..], call.bells, "seed {seed}: each once, in order");
                s.told.extend(&call.secrets);
                (pending_r, pending_w) = (pending_r & !call.seen, pending_w & !call.acknowledged);
            }
            // what no committed call has consumed is there to be seen, wherever it is kept
            let (r, w) = (s.read(CAUSES_R, 2), s.read(CAUSES_W, 2));
            assert_eq!((r & pending_r, w & pending_w), (pending_r, pending_w), "seed {seed}: a cause was lost");
            s.abort(); // this look was nobody's
        }
        s.window.verify(&s.committed).expect("shadow and card agree");
    }
}

#[test]
fn a_cause_that_was_consumed_by_a_committed_call_does_not_come_again() {
    let mut s = Setup::new();
    s.door.inside().values[CAUSES_R as usize] = 0b0110;
    s.door.inside().values[CAUSES_W as usize] = 0b1100;
    assert_eq!((s.read(CAUSES_R, 2), s.read(CAUSES_W, 2)), (0b0110, 0b1100));
    s.write(CAUSES_W, 2, 0b0100);
    s.abort();
    assert!(s.window.has_carry());
    assert_eq!((s.read(CAUSES_R, 2), s.read(CAUSES_W, 2)), (0b0110, 0b1100), "presented again");
    s.write(CAUSES_W, 2, 0b1100);
    s.commit();
    assert!(!s.window.has_carry());
    assert_eq!((s.read(CAUSES_R, 2), s.read(CAUSES_W, 2)), (0, 0), "and not for ever");
}

#[test]
fn what_a_failed_call_took_out_of_a_queue_comes_again_in_order_before_what_is_new() {
    let mut s = Setup::new();
    let put = |s: &mut Setup, value| s.door.inside().values[QUEUE as usize] = value;
    assert_eq!(s.read(QUEUE, 4), 0, "nothing is there, and nothing is taken");
    s.abort();
    assert!(!s.window.has_carry());
    put(&mut s, 5);
    assert_eq!(s.read(QUEUE, 4), 5);
    put(&mut s, 6);
    assert_eq!(s.read(QUEUE, 4), 6);
    assert!(!s.abort() && s.window.has_carry());
    put(&mut s, 7);
    let reads = s.door.inside().reads;
    assert_eq!((s.read(QUEUE, 4), s.read(QUEUE, 4)), (5, 6));
    assert_eq!(s.door.inside().reads, reads, "the device has nothing to do with it");
    assert_eq!((s.read(QUEUE, 4), s.read(QUEUE, 4)), (7, 0));
    s.abort();
    assert_eq!(s.read(QUEUE, 4), 5);
    s.commit();
    assert!(s.window.has_carry(), "what the call left is left");
    put(&mut s, 8);
    assert_eq!([(); 4].map(|()| s.read(QUEUE, 4)), [6, 7, 8, 0]);
    s.commit();
    assert!(!s.window.has_carry());
    assert_eq!(s.read(QUEUE, 4), 0);
    put(&mut s, 9);
    s.read(QUEUE, 4);
    s.abort();
    s.window.forget();
    assert_eq!(s.read(QUEUE, 4), 0);
}

#[test]
fn an_acknowledgement_of_more_than_is_pending_makes_up_no_causes() {
    let mut s = Setup::new();
    s.door.inside().values[CAUSES_W as usize] = 0b0100;
    assert_eq!(s.read(CAUSES_W, 2), 0b0100);
    s.write(CAUSES_W, 2, 0xffff); // "clear whatever there is"
    s.abort();
    assert_eq!(s.read(CAUSES_W, 2), 0b0100, "all ones would look like a device that has left");
}

#[test]
fn breaking_the_map_is_a_refusal_that_reaches_no_device() {
    let mut s = Setup::new();
    for (offset, width, value, word) in [
        (0x40, 4, None, "no register is declared"),
        (0x01, 1, Some(1), "no register is declared"),
        (0x05, 1, None, "no register is declared"),
        (u64::MAX, 4, None, "no register is declared"),
        (0xff, 4, Some(0), "no register is declared"),
        (0x00, 4, None, "CFG8 is 1 bytes wide"),
        (0x04, 2, Some(0), "CFG32 is 4 bytes wide"),
        (0x04, 0, None, "CFG32"),
        (0x04, u64::MAX, None, "CFG32"),
        (0x18, 4, Some(0), "STATUS is not written"),
        (0x1c, 2, Some(1), "CAUSES_R is not written"),
        (QUEUE, 4, Some(1), "QUEUE is not written"),
        (0x28, 4, None, "SECRET is write-only"),
        (0x10, 4, Some(DMA.start - 1), "not DMA memory"),
        (0x14, 4, Some(DMA.end), "ADDRESS[1]"),
        (0x10, 4, Some(0xffff_ffff), "not DMA memory"),
    ] {
        let reason = s.refused(offset, width, value);
        assert!(reason.contains(word), "'{word}' is not in: {reason}");
    }
    assert!(!s.abort(), "what was refused needs no restore");
}

#[test]
fn a_call_that_writes_without_end_is_refused() {
    for (offset, width, value) in [(0x04, 4, 2), (0x20, 4, 2), (CAUSES_W, 2, 2)] {
        let mut s = Setup::new();
        let mut writes = 0;
        while s.window.write(&mut s.ledger, offset, width, value).is_ok() {
            writes += 1;
            assert!(writes < 100_000, "at {offset:#x}");
        }
        s.abort();
        assert!(s.door.inside().rung.is_empty());
        assert_eq!(s.door.inside().values[0x04], 0);
    }
}

#[test]
fn a_call_that_takes_without_end_is_refused_and_what_it_took_comes_again() {
    let mut s = Setup::new();
    s.door.inside().queue.extend(1..5000);
    let mut taken = 0;
    while let Ok(value) = s.window.read(&mut s.ledger, QUEUE, 4) {
        taken += 1;
        assert_eq!(value, Ok(taken));
    }
    let left = s.door.inside().queue.len() as u32;
    assert!(taken > 0 && taken + left == 4999, "what is refused stays where it is");
    s.refused(QUEUE, 4, None);
    s.abort();
    for value in 1..=taken {
        assert_eq!(s.read(QUEUE, 4), value);
    }
    s.commit();
    assert_eq!(s.read(QUEUE, 4), taken + 1);

    let mut s = Setup::new();
    while s.window.read(&mut s.ledger, CAUSES_R, 2).is_ok() {}
    s.door.inside().values[CAUSES_R as usize] = 0b0110;
    s.refused(CAUSES_R, 2, None);
    s.abort();
    assert_eq!(s.read(CAUSES_R, 2), 0b0110, "not read, and so not cleared");
}

#[test]
fn written_secrets_are_read_from_the_shadow() {
    let mut s = Setup::new();
    s.write(0x28, 4, 0x1234);
    assert_eq!(s.read(0x28, 4), 0x1234, "the device would say {UNTOLD:#x}");
    s.commit();
    s.write(0x28, 4, 0x5678);
    assert!(!s.abort(), "the old value is known");
    assert_eq!(s.door.inside().values[0x28], 0x1234);
}

#[test]
fn all_ones_and_a_dead_vendor_id_are_gone_and_all_ones_alone_is_a_value() {
    let mut s = Setup::new();
    s.door.inside().values[0x18] = u32::MAX;
    assert_eq!(s.read(0x18, 4), u32::MAX);
    s.door.inside().gone = true;
    for (offset, width) in [(0x18, 4), (0x1c, 2), (0x1e, 2), (0x00, 1), (0x30, 1)] {
        let answer = s.window.read(&mut s.ledger, offset, width).expect("no broken rule");
        assert_eq!(answer, Err(Error::Gone), "at {offset:#x}");
        assert!(s.window.take_error().is_some_and(|words| words.contains("all ones")));
    }
    // the first write of a register reads its old value
    assert_eq!(s.window.write(&mut s.ledger, 0x04, 4, 1).expect("no broken rule"), Err(Error::Gone));
}

#[test]
fn a_checkpoint_reads_nothing() {
    let mut s = Setup::new();
    for offset in [0x04, 0x08, 0x10] {
        s.write(offset, 4, 0);
    }
    s.commit();
    let reads = s.door.inside().reads;
    for round in 0..100 {
        s.write(0x04, 4, round);
        s.write(0x08, 4, round);
        assert_eq!(s.read(0x04, 4), round);
        if round % 2 == 0 { s.commit() } else { assert!(!s.abort()) }
    }
    assert_eq!(s.door.inside().reads, reads);
}

#[test]
fn what_is_handed_over_keeps_its_place_among_the_doorbells() {
    let mut s = Setup::new();
    s.write(0x20, 4, 1);
    s.window.hand_over(0x40, 7).expect("room");
    s.write(0x24, 4, 2);
    s.window.hand_over(0x44, 8).expect("room");
    assert!(s.door.inside().rung.is_empty());
    let door = s.door.clone();
    let mut handed = Vec::new();
    assert!(s.window.commit(|place, value| {
        handed.push((door.inside().rung.len(), place, value));
        true
    }));
    assert_eq!(handed, [(1, 0x40, 7), (2, 0x44, 8)], "each after what was rung before it");
    assert_eq!(s.door.inside().rung, [(0x20, 1), (0x24, 2)]);
    s.commit();

    s.window.hand_over(0x40, 9).expect("room");
    assert!(!s.abort(), "nothing to restore");
    s.commit();
    s.window.hand_over(0x40, 9).expect("room");
    s.window.forget();
    s.commit();

    // doorbells and memory count together
    s.write(0x20, 4, 3);
    let refused = (0..2000).find_map(|place| s.window.hand_over(4 * place, 0).err());
    assert!(refused.expect("a limit").0.contains("more than 1024 doorbells"));
    assert!(!s.abort());
}

/// A ring's tail that is moved frame by frame reaches the device once; a doorbell rings as often as it was rung.
#[test]
fn the_last_of_a_tails_writes_reaches_the_device() {
    const BELL: u64 = 0x20;
    const TAIL: u64 = 0x34;
    let mut s = Setup::new();
    for (offset, value) in [(TAIL, 1), (TAIL, 2), (BELL, 3), (BELL, 3), (TAIL, 4), (TAIL, 5), (TAIL, 6)] {
        s.write(offset, 4, value);
    }
    assert!(s.door.inside().rung.is_empty(), "held back");
    s.commit();
    let expected = [(TAIL, 2), (BELL, 3), (BELL, 3), (TAIL, 6)].map(|(offset, value)| (offset as u16, value));
    assert_eq!(s.door.inside().rung, expected);
    // neither is one of the next call's held against it, nor does one that was dropped count
    s.write(TAIL, 4, 7);
    s.abort();
    s.write(TAIL, 4, 8);
    s.commit();
    assert_eq!(s.door.inside().rung.last(), Some(&(TAIL as u16, 8)));
    assert_eq!(s.door.inside().rung.len(), 5);
}
