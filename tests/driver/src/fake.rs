//! A small chip behind the small framework: calls that commit, and calls that are abandoned.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use udrv_driver::abi::Request;
use udrv_driver::{
    Buffer, Cx, Driver, Error, Events, InjectedFault, Injection, NetDriver, Point, Services, Settings, Stats, TxFrame,
};

use crate::border::{Both, Lengths};
use crate::{Border, Chip, Device, MAC, Versions};

/// The state of the driver of `C`.
pub(crate) type State<C> = <<C as Device>::Driver as Driver>::State;

/// Driver and chip.
pub struct Fake<C: Device> {
    both: RefCell<Both<C>>,
    /// The driver's state.
    pub state: State<C>,
    /// Which versions [`Fake::transmit`] and [`Fake::poll`] call.
    pub versions: Versions,
}

struct Gate<'a, C>(&'a RefCell<Both<C>>);

impl<C: Device> Services for Gate<'_, C> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        let answer = self.0.borrow_mut().service(request, words);
        let left = &mut self.0.borrow_mut().border.abandon_after;
        match left {
            Some(0) => {
                *left = None;
                panic!("injected");
            }
            Some(more) => *more -= 1,
            None => {}
        }
        answer
    }
}

/// Panics that are meant are not shown.
pub fn hide_injected() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload_as_str().is_none_or(|text| !text.starts_with("injected")) {
            eprintln!("{info}");
        }
    }));
}

impl<C: Device> Default for Fake<C> {
    fn default() -> Self {
        Fake::new()
    }
}

/// Whatever its class.
impl<C: Device> Fake<C> {
    /// Just plugged in.
    #[must_use]
    pub fn new() -> Fake<C> {
        let both = Both { chip: C::new(), border: Border::default() };
        Fake { both: RefCell::new(both), state: C::Driver::NEW, versions: Versions::default() }
    }

    /// The chip.
    pub fn chip(&mut self) -> &mut C {
        &mut self.both.get_mut().chip
    }

    /// The framework.
    pub fn border(&mut self) -> &mut Border {
        &mut self.both.get_mut().border
    }

    /// One call that commits, whatever it returns; the state is then one that may be.
    ///
    /// # Errors
    /// Those of the entry point.
    pub fn call<T>(&mut self, entry: impl FnOnce(&mut Cx<'_, State<C>>) -> Result<T, Error>) -> Result<T, Error> {
        self.both.get_mut().begin();
        let result = entry(&mut Cx::new(&mut self.state, &Gate(&self.both), None));
        assert_eq!(C::Driver::check(&self.state), Ok(()), "after a call that gives {:?}", result.as_ref().err());
        self.both.get_mut().commit();
        result
    }

    /// One call that is abandoned at `point`; false if it did not come there. Undone, and restored where need be.
    pub fn abandon<T>(&mut self, point: Point, entry: impl FnOnce(&mut Cx<'_, State<C>>) -> Result<T, Error>) -> bool {
        self.border().armed = true;
        let injection = Some(Injection { fault: InjectedFault::Panic, point });
        let faulted = self.fault(injection, entry);
        let reached = !std::mem::take(&mut self.border().armed);
        assert_eq!(reached, faulted, "panicked elsewhere, or not where armed");
        self.mend();
        reached
    }

    /// One call that is abandoned when request number `after` has been served; false if it makes fewer.
    pub fn abandon_after<T>(
        &mut self,
        after: u32,
        entry: impl FnOnce(&mut Cx<'_, State<C>>) -> Result<T, Error>,
    ) -> bool {
        self.border().abandon_after = Some(after);
        let faulted = self.fault(None, entry);
        let spent = self.border().abandon_after.take().is_none();
        assert_eq!(spent, faulted, "panicked elsewhere");
        self.mend();
        faulted
    }

    /// `restore`, as the framework calls it: what it was told to bring back is as the state has it then.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn restore(&mut self) -> Result<(), Error> {
        self.call(C::Driver::restore)?;
        self.border().marks = Default::default();
        Ok(())
    }

    fn fault<T>(
        &mut self,
        injection: Option<Injection>,
        entry: impl FnOnce(&mut Cx<'_, State<C>>) -> Result<T, Error>,
    ) -> bool {
        self.both.get_mut().begin();
        let before = self.state;
        let (state, gate) = (&mut self.state, Gate(&self.both));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _ = entry(&mut Cx::new(state, &gate, injection));
        }));
        self.state = before;
        outcome.is_err()
    }

    fn mend(&mut self) {
        if self.both.get_mut().abort() {
            assert_eq!(self.restore(), Ok(()));
        }
    }
}

/// A network card.
impl<C: Chip> Fake<C> {
    /// Probed and open.
    #[must_use]
    pub fn opened() -> Fake<C> {
        let mut fake = Fake::new();
        assert_eq!(fake.call(C::Driver::probe), Ok(MAC));
        assert_eq!(fake.call(C::Driver::open), Ok(()));
        fake
    }

    /// Probed and open, to call these versions.
    #[must_use]
    pub fn opened_with(versions: Versions) -> Fake<C> {
        Fake { versions, ..Fake::opened() }
    }

    /// Sends `length` bytes in `buffer`.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn transmit(&mut self, buffer: u32, length: u32) -> Result<(), Error> {
        self.border().given = Some(buffer);
        let (transmit, frame) = (self.versions.transmit::<C::Driver>(), frame(buffer, length));
        self.call(|cx| transmit(cx, frame))
    }

    /// Polls.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn poll(&mut self, budget: u32) -> Result<u32, Error> {
        self.border().budget = budget;
        let poll = self.versions.poll::<C::Driver>();
        self.call(|cx| poll(cx, budget))
    }

    /// `poll`, and what the class does when the device talked nonsense.
    pub fn serve(&mut self, budget: u32) -> u32 {
        match self.poll(budget) {
            Ok(received) => received,
            Err(error) => {
                assert!(matches!(error, Error::Nonsense { .. }), "{error}");
                assert_eq!(self.call(C::Driver::restore), Ok(()));
                0
            }
        }
    }

    /// Sets the chip to something, and the framework with it.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn configure(&mut self, settings: Settings) -> Result<(), Error> {
        self.call(|cx| C::Driver::configure(cx, settings))?;
        self.border().lengths = Lengths::of(settings);
        Ok(())
    }

    /// Takes note of the causes.
    pub fn interrupt(&mut self) -> Events {
        self.call(C::Driver::interrupt).expect("a chip that is there")
    }

    /// The counters.
    pub fn stats(&mut self) -> Stats {
        self.call(C::Driver::get_stats).expect("a chip that is there")
    }

    /// For calls that are abandoned: what `transmit` and `poll` above set.
    pub fn allow(&mut self, buffer: u32, budget: u32) {
        (self.border().given, self.border().budget) = (Some(buffer), budget);
    }

    /// It sends and receives, and the chip is set up as the state says.
    pub fn assert_works(&mut self) {
        let (mut delivered, mut completed) = (self.border().delivered.len(), self.border().completed.len());
        for i in 0..9 {
            assert_eq!(self.transmit(100 + i, 60 + i), Ok(()));
            assert_eq!(self.chip().send_well(), (bus_address(100 + i), 60 + i));
            assert!(self.chip().bring(60 + i, i as u8));
            assert!(self.interrupt().has(Events::POLL));
            assert_eq!(self.poll(16), Ok(1));
            (delivered, completed) = (delivered + 1, completed + 1);
            let border = self.border();
            assert_eq!(border.delivered.len(), delivered);
            assert_eq!(border.delivered.last(), Some(&vec![i as u8; 60 + i as usize]));
            assert_eq!(border.completed.len(), completed);
            assert_eq!(border.completed.last(), Some(&(100 + i, true)));
        }
        self.chip().assert_set_up();
        assert_eq!(self.chip().mac(), MAC.0);
        assert!(self.border().kept.is_empty());
    }
}

/// Where the device sees the first packet buffer.
pub(crate) const PACKETS: u32 = 0x4000_0000;

/// Where the device sees a buffer.
#[must_use]
pub fn bus_address(buffer: u32) -> u32 {
    PACKETS + 2048 * buffer
}

/// A frame in it.
#[must_use]
pub fn frame(buffer: u32, length: u32) -> TxFrame {
    /// No handle is 0.
    const HANDLE: u64 = 1 << 32;
    let buffer_handle = Buffer(HANDLE | u64::from(buffer));
    TxFrame { buffer: buffer_handle, length, bus_address: bus_address(buffer), ..TxFrame::default() }
}
