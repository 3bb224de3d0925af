//! Nothing that a driver writes makes the model panic or spin.

use model_e1000::regs::{self, ctrl, rctl, stat, tctl, txd};
use model_wire::Rng;
use udrv_bus::{DmaMemory, PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, MEMORY, RX_RING, TX_RING, frame};

const REGISTERS: [u32; 24] = [
    regs::CTRL,
    regs::EECD,
    regs::EERD,
    regs::MDIC,
    regs::ICR,
    regs::ICS,
    regs::IMS,
    regs::RCTL,
    regs::TCTL,
    regs::PBA,
    regs::RDBAL,
    regs::RDBAH,
    regs::RDLEN,
    regs::RDH,
    regs::RDT,
    regs::TDBAL,
    regs::TDBAH,
    regs::TDLEN,
    regs::TDH,
    regs::TDT,
    regs::RXCSUM,
    regs::VET,
    stat::TORL,
    regs::CTRL_EXT,
];

/// A descriptor that means something more often than chance.
fn descriptor(rng: &mut Rng) -> [u8; 16] {
    let mut raw = [0; 16];
    raw.fill_with(|| rng.next_u64() as u8);
    if rng.below(4) != 0 {
        let address = IOVA + rng.below(MEMORY as u64);
        raw[..8].copy_from_slice(&address.to_le_bytes());
        let kind = [0, txd::DEXT, txd::DEXT | txd::DATA, txd::DEXT | txd::DATA | txd::TSE][rng.below(4) as usize];
        let flags = rng.next_u64() as u32 & 0xdf00_0000 & !txd::DEXT;
        let command = kind | flags | rng.below(0x1000) as u32;
        raw[8..12].copy_from_slice(&command.to_le_bytes());
    }
    raw
}

#[test]
fn any_registers_and_descriptors_are_survived() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let (mut b, station) = Bench::started();
        for _ in 0..500 {
            match rng.below(8) {
                0 | 1 => {
                    let at = if rng.below(8) == 0 {
                        rng.below(u64::from(regs::SIZE)) as u32 & !3
                    } else {
                        REGISTERS[rng.below(REGISTERS.len() as u64) as usize]
                    };
                    let small = rng.below(3) != 0;
                    let value = rng.next_u64() as u32;
                    b.w(at, if small { value & 0xff } else { value });
                    b.r(at);
                }
                2 => b.start(rctl::UPE | rctl::MPE | rng.next_u64() as u32 & 0x0603_0320),
                3 => b.w(regs::TCTL, tctl::EN | tctl::PSP),
                4 => {
                    let ring = if rng.below(2) == 0 { TX_RING } else { RX_RING };
                    let raw = descriptor(&mut rng);
                    b.memory.write(ring + 16 * rng.below(16), &raw).unwrap();
                }
                5 => b.w(regs::TDT, rng.below(16) as u32),
                6 => station.inject(&frame(MAC, 14 + rng.below(4000) as usize)),
                _ => b.set(regs::CTRL, ctrl::SLU | ctrl::VME),
            }
            drop(station.drain());
        }
        // A reset, and it works.
        b.w(regs::CTRL, ctrl::RST);
        b.w(regs::MDIC, regs::mdic::OP_WRITE | 1 << regs::mdic::PHY_SHIFT | 0x1140);
        b.nic.config_write(4, Width::U16, 7).unwrap();
        b.start(rctl::SECRC);
        b.send(&[1; 60]);
        station.inject(&frame(MAC, 60));
        assert_eq!((station.drain().len(), b.take().is_some()), (1, true), "seed {seed}");
    }
}
