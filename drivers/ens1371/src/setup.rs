//! Bringing chip and codec to a known state, and streams to where the state says they are.
//!
//! The chip has no reset of its own: it is silent when CONTROL is 0, and everything else is written.

use udrv_driver::{Cx, Dma, Error, Micros};

use crate::chip::{Clock, RING_BYTES};
use crate::regs::{self, control, status};
use crate::state::State;
use crate::{codec, src, stream};

/// For a codec to be out of a reset that it was held in: what other drivers give it.
const RELEASE_TIME: Micros = Micros(20_000);
/// How long the link is woken: a microsecond is enough.
const WAKE_TIME: Micros = Micros(20);
/// Rings begin at a page.
const ALIGNMENT: u32 = 4096;
/// Bytes of the place that an ES1370 writes to by mistake.
const PHANTOM_BYTES: u32 = 16;

/// No DMA, at once, and no interrupts from the commit on; from any state and without looking at ours.
pub(crate) fn halt(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(regs::CONTROL_NOW, 0)?;
    cx.regs.write(regs::SERIAL, 0)
}

/// From silence to a chip and a codec that work, with no stream set up.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let chip = cx.state.chip()?;
    cx.regs.write(regs::UART_CONTROL, 0)?;
    if chip.clock == Clock::Converter {
        cx.regs.write(regs::LEGACY, 0)?;
    }
    if chip.holds_codec {
        cx.regs.write(regs::STATUS, status::AC97_RST)?;
        cx.clock.pause(RELEASE_TIME)?;
    }
    let silent = stream::control(cx.state)?;
    if chip.clock == Clock::Converter {
        cx.regs.write(regs::CONTROL_NOW, silent | control::SYNC_RES)?;
        cx.clock.pause(WAKE_TIME)?;
    }
    cx.regs.write(regs::CONTROL_NOW, silent)?;
    if chip.clock == Clock::Converter {
        src::start(cx)?;
    }
    codec::start(cx)
}

/// Memory for the rings, once.
pub(crate) fn allocate(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    for number in 0..cx.state.memory.len() {
        if cx.state.memory[number] == Dma::NONE {
            cx.state.memory[number] = cx.dma.allocate(RING_BYTES, ALIGNMENT)?;
        }
    }
    if cx.state.chip()?.has_phantom && cx.state.phantom == Dma::NONE {
        cx.state.phantom = cx.dma.allocate(PHANTOM_BYTES, PHANTOM_BYTES)?;
    }
    Ok(())
}

/// The rings' addresses from the state: from `probe` on they are never others, so a stream that runs may be told again.
pub(crate) fn aim(cx: &Cx<'_, State>) -> Result<(), Error> {
    for (memory, address) in cx.state.memory.into_iter().zip(regs::FRAME) {
        if memory != Dma::NONE {
            cx.regs.write(address, cx.dma.bus_address(memory)?)?;
        }
    }
    if cx.state.phantom != Dma::NONE {
        cx.regs.write(regs::PHANTOM_FRAME, cx.dma.bus_address(cx.state.phantom)?)?;
        cx.regs.write(regs::PHANTOM_COUNT, 0)?;
    }
    Ok(())
}

/// Streams that are not where the state has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Astray([bool; 3]);

/// Finds the streams that are not where the state has them, and stops them at once. The others go on: they are not
/// stopped, and nothing of theirs is written. From here on the codec can be reached.
pub(crate) fn stop_astray(cx: &Cx<'_, State>) -> Result<Astray, Error> {
    let wanted = stream::control(cx.state)?;
    let found = cx.regs.read_present(regs::CONTROL)?;
    let mut astray = [false; 3];
    let mut goes_on = wanted;
    for (number, set) in cx.state.streams.iter().enumerate() {
        let enable = control::EN[number];
        if set.is_prepared() {
            let size = cx.regs.read_present(regs::SIZE[number])?;
            let period = cx.regs.read_present(regs::COUNT[number])?;
            let is_right = stream::is_within(set, size) && period & 0xffff == stream::count(set);
            astray[number] = !is_right || wanted & enable & !found != 0;
        }
        if astray[number] || found & enable == 0 {
            goes_on &= !enable;
        }
    }
    if (found ^ goes_on) & cx.state.chip()?.told != 0 {
        cx.regs.write(regs::CONTROL_NOW, goes_on)?;
    }
    Ok(Astray(astray))
}

/// The streams as the state has them: those that were astray begin anew, on commit.
pub(crate) fn resume(cx: &Cx<'_, State>, Astray(astray): Astray) -> Result<(), Error> {
    aim(cx)?;
    for number in (0..astray.len()).filter(|number| astray[*number]) {
        stream::rewind(cx, number)?;
    }
    stream::tell(cx)
}
