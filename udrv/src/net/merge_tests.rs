//! What is put together and cut again is what came: the same bytes, per connection in the same order.

use proptest::prelude::*;

use super::*;

/// A frame of TCP, as a sender makes it.
#[derive(Debug, Clone, Copy)]
struct Made {
    ipv6: bool,
    /// Which connection.
    port: u16,
    sequence: u32,
    identification: u16,
    dont_fragment: bool,
    /// Words of TCP options.
    options: usize,
    flags: u8,
    window: u16,
    payload: usize,
}

const PLAIN: Made = Made {
    ipv6: false,
    port: 5000,
    sequence: 0xffff_f000, // wraps soon
    identification: 0xfffe,
    dont_fragment: false,
    options: 3,
    flags: ACK,
    window: 500,
    payload: 1448,
};

impl Made {
    /// The one behind it.
    fn next(self) -> Made {
        let sequence = self.sequence.wrapping_add(self.payload as u32);
        Made { sequence, identification: self.identification.wrapping_add(1), ..self }
    }

    fn frame(&self) -> Vec<u8> {
        let payload: Vec<u8> = (0..self.payload).map(|at| (self.sequence as usize + at) as u8 ^ 0x5a).collect();
        built(self, &payload, self.sequence, self.identification, self.flags)
    }
}

/// A frame with right lengths and checksums, at least 60 bytes long.
fn built(made: &Made, payload: &[u8], sequence: u32, identification: u16, flags: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let tcp_bytes = 20 + made.options * 4 + payload.len();
    let sum_start = if made.ipv6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((tcp_bytes as u16).to_be_bytes());
        frame.extend([TCP, 64]);
        frame.extend((0..32).map(|at| 0xf0 + at % 5));
        22
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + tcp_bytes as u16).to_be_bytes());
        frame.extend(identification.to_be_bytes());
        frame.extend([if made.dont_fragment { 0x40 } else { 0 }, 0, 64, TCP, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
        let sum = !fold(add(0, &frame[14..34]));
        put(&mut frame, 24, sum);
        26
    };
    let tcp = frame.len();
    frame.extend(made.port.to_be_bytes());
    frame.extend([0, 80]);
    frame.extend(sequence.to_be_bytes());
    frame.extend([0, 0, 0, 9, ((5 + made.options) as u8) << 4, flags]);
    frame.extend(made.window.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend((0..made.options * 4).map(|at| at as u8));
    frame.extend(payload);
    let sum = !fold(add(u64::from(TCP) + tcp_bytes as u64, &frame[sum_start..]));
    put(&mut frame, tcp + CHECKSUM, sum);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// What goes up for these frames: each frame or packet as its frames, cut as the host would cut it.
fn through(frames: &[(Vec<u8>, bool)]) -> Vec<Vec<Vec<u8>>> {
    let region = DmaRegion::new(256 << 10, None).unwrap();
    let mut place = 3; // not aligned
    let mut delivered = Vec::new();
    for (frame, checked) in frames {
        region.copy_in(place, frame).unwrap();
        let number = delivered.len() as u8;
        delivered.push(Delivered { place, length: frame.len() as u32, checked: *checked, number });
        place += frame.len() as u64 + 5;
    }
    let bytes = |place: u64, count: usize| {
        let mut bytes = vec![0; count];
        region.copy_out(place, &mut bytes).unwrap();
        bytes
    };
    let mut all = Vec::new();
    Merger::new().merge(&region, delivered.into_iter(), |up| match up {
        Up::Frame(frame) => all.push(vec![bytes(frame.place, frame.length as usize)]),
        Up::Packet(packet) => {
            let payload: Vec<u8> = packet.pieces.iter().flat_map(|(place, count)| bytes(*place, *count)).collect();
            assert!(packet.pieces.len() > 1 && packet.headers.len() - 14 + payload.len() <= 65_535);
            let cut = cut(packet.headers, &payload, packet.offload);
            assert_eq!(packet.frame_bytes, cut.iter().map(|frame| frame.len() as u64).sum::<u64>());
            all.push(cut);
        }
    });
    all
}

/// TCP segmentation as RFC 9293 and virtio 1.2, section 5.1.6.2, have it, from the headers alone.
fn cut(headers: &[u8], payload: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    let tcp = usize::from(offload.checksum_start);
    let word = |at: usize| u16::from_be_bytes([headers[at], headers[at + 1]]);
    let made = Made {
        ipv6: offload.ipv6,
        port: word(tcp),
        dont_fragment: !offload.ipv6 && headers[20] == 0x40,
        options: (headers.len() - tcp - 20) / 4,
        window: word(tcp + 14),
        ..PLAIN
    };
    // the host checks none of these, so they are checked here
    let tcp_bytes = headers.len() - tcp + payload.len();
    let addresses = if offload.ipv6 { 22..54 } else { 26..34 };
    assert_eq!(word(tcp + 16), fold(add(u64::from(TCP) + tcp_bytes as u64, &headers[addresses])));
    if offload.ipv6 {
        assert_eq!(usize::from(word(18)), tcp_bytes);
    } else {
        assert_eq!((usize::from(word(16)), fold(add(0, &headers[14..34]))), (20 + tcp_bytes, 0xffff));
    }
    assert_eq!((offload.checksum_offset, usize::from(offload.headers)), (16, headers.len()));

    let mut sequence = u32::from_be_bytes([headers[tcp + 4], headers[tcp + 5], headers[tcp + 6], headers[tcp + 7]]);
    let mut identification = word(18);
    let last = payload.len().div_ceil(usize::from(offload.segment)) - 1;
    let segments = payload.chunks(usize::from(offload.segment)).enumerate();
    let mut frames = Vec::new();
    for (index, part) in segments {
        let flags = if index == last { headers[tcp + 13] } else { headers[tcp + 13] & !PSH };
        frames.push(built(&made, part, sequence, identification, flags));
        sequence = sequence.wrapping_add(part.len() as u32);
        identification = identification.wrapping_add(1);
    }
    frames
}

/// All of a frame that means something: no identification where fragments are forbidden, nor the header's sum over it.
fn meaning(mut frame: Vec<u8>) -> Vec<u8> {
    if frame[12..14] == [8, 0] && frame[20] == 0x40 {
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    frame
}

fn run_of(first: Made, count: usize) -> Vec<Made> {
    std::iter::successors(Some(first), |made| Some(made.next())).take(count).collect()
}

fn frames_of(run: &[Made]) -> Vec<(Vec<u8>, bool)> {
    run.iter().map(|made| (made.frame(), true)).collect()
}

/// How many segments each of what goes up has.
fn counts(frames: &[(Vec<u8>, bool)]) -> Vec<usize> {
    through(frames).iter().map(Vec::len).collect()
}

#[test]
fn a_run_of_segments_is_one_packet() {
    for ipv6 in [false, true] {
        for checked in [false, true] {
            let mut run = run_of(Made { ipv6, ..PLAIN }, 40);
            run[39].payload = 9;
            run[39].flags |= PSH;
            let frames: Vec<_> = run.iter().map(|made| (made.frame(), checked)).collect();
            assert_eq!(counts(&frames), [40], "{ipv6} {checked}");
            let expected: Vec<_> = frames.into_iter().map(|(frame, _)| frame).collect();
            let cut = through(&expected.iter().map(|frame| (frame.clone(), checked)).collect::<Vec<_>>());
            // what was padded comes without: its length says where it ends
            assert_eq!(cut[0], expected);
        }
    }
}

#[test]
fn no_packet_is_longer_than_ip_allows() {
    let frames = frames_of(&run_of(PLAIN, 64));
    assert_eq!(counts(&frames), [45, 19]);
}

#[test]
fn what_differs_begins_anew() {
    let changes: [fn(&mut Made); 9] = [
        |made| made.window += 1,
        |made| made.sequence += 1,
        |made| made.identification = made.identification.wrapping_add(1),
        |made| made.options = 4,
        |made| made.port += 1,
        |made| made.dont_fragment = true,
        |made| made.flags = ACK | 0x01, // FIN
        |made| made.flags = ACK | 0x40, // ECE
        |made| made.payload += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut run = run_of(PLAIN, 4);
        change(&mut run[2]);
        let counts = counts(&frames_of(&run));
        assert_eq!(counts[0], 2, "change {number}: {counts:?}");
        assert!(counts.len() > 1, "change {number}: {counts:?}");
    }
}

#[test]
fn a_wrong_checksum_goes_up_alone_and_as_it_is() {
    for at in [24, 50, 200] {
        let mut frames: Vec<_> = frames_of(&run_of(PLAIN, 3)).into_iter().map(|(frame, _)| (frame, false)).collect();
        frames[1].0[at] ^= 1;
        let all = through(&frames);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1], "{at}");
        assert_eq!(all[1][0], frames[1].0);
    }
}

#[test]
fn nothing_is_overtaken_by_what_is_no_segment() {
    let mut frames = frames_of(&run_of(PLAIN, 4));
    let other = (vec![0x88; 60], true);
    frames.insert(2, other.clone());
    let all = through(&frames);
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(all[1][0], other.0);
}

#[test]
fn connections_that_take_turns_are_put_together() {
    let runs: Vec<_> = (0..4).map(|port| frames_of(&run_of(Made { port, ..PLAIN }, 5))).collect();
    let frames: Vec<_> = (0..5).flat_map(|at| runs.iter().map(move |run| run[at].clone())).collect();
    assert_eq!(counts(&frames), [5, 5, 5, 5]);
}

/// A sender's next step: the next segment as it should be, or something else.
fn segment() -> impl Strategy<Value = (u16, u8, usize, bool)> {
    (0..6_u16, any::<u8>(), prop_oneof![Just(1448_usize), 1..1460_usize], any::<bool>())
}

proptest! {
    #[test]
    fn every_connection_gets_its_frames(steps in prop::collection::vec(segment(), 1..64), ipv6: bool, df: bool) {
        let mut senders: Vec<Made> =
            (0..6).map(|port| Made { ipv6: ipv6 ^ (port % 3 == 0), dont_fragment: df, port, ..PLAIN }).collect();
        let mut frames = Vec::new();
        for (port, oddity, payload, checked) in steps {
            let sender = &mut senders[usize::from(port)];
            let mut made = *sender;
            match oddity {
                0..20 => made.payload = payload,
                20..30 => made.flags |= PSH,
                30..35 => made.flags |= 0x01,
                35..40 => made.sequence = made.sequence.wrapping_add(7),
                40..45 => made.window += 1,
                45..50 => made.payload = 0,
                50..55 => made.identification ^= 0x80,
                _ => {}
            }
            *sender = Made { payload: PLAIN.payload, flags: PLAIN.flags, ..made.next() };
            frames.push((made.frame(), checked));
        }
        let of = |frames: &[Vec<u8>], port: u16| -> Vec<Vec<u8>> {
            let is = |frame: &&Vec<u8>| {
                let tcp = if frame[12] == 8 { 34 } else { 54 };
                frame[tcp..tcp + 2] == port.to_be_bytes()
            };
            frames.iter().filter(is).cloned().map(meaning).collect()
        };
        let after: Vec<Vec<u8>> = through(&frames).into_iter().flatten().collect();
        let before: Vec<Vec<u8>> = frames.into_iter().map(|(frame, _)| frame).collect();
        for port in 0..6 {
            prop_assert_eq!(of(&before, port), of(&after, port));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose(
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 14..200), any::<u8>(), any::<bool>()), 1..20)
    ) {
        let frames: Vec<_> = frames
            .into_iter()
            .map(|(mut frame, kind, checked)| {
                // as far as random bytes would hardly come
                match kind % 3 {
                    0 => frame[12..14].copy_from_slice(&[8, 0]),
                    1 => frame[12..14].copy_from_slice(&[0x86, 0xdd]),
                    _ => {}
                }
                if frame.len() > 24 && kind > 128 {
                    (frame[14], frame[20], frame[23]) = (if kind % 3 == 0 { 0x45 } else { 0x60 }, TCP, TCP);
                }
                (frame, checked)
            })
            .collect();
        let mut after: Vec<Vec<u8>> = through(&frames).into_iter().flatten().collect();
        let mut before: Vec<Vec<u8>> = frames.into_iter().map(|(frame, _)| frame).collect();
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }
}
