//! Controls: the values that are to be, and the way to the codec.

use udrv_driver::{Control, ControlInfo, ControlValue, Entry, SoundDriver};

use super::SoundDevice;
use crate::report::FaultReport;
use crate::run::{CallError, DeviceError};

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;

impl<D: SoundDriver> SoundDevice<D> {
    /// All controls with what the driver says of them.
    pub(super) fn read_controls(&mut self) -> Result<Vec<(ControlInfo, ControlValue)>, DeviceError> {
        let infos = self.class.has.controls;
        let mut controls = Vec::with_capacity(infos.len());
        for (number, info) in infos.iter().enumerate() {
            controls.push((*info, self.get_control(Control(number as u32), *info)?));
        }
        Ok(controls)
    }

    /// The value of a control; one that it cannot have is the driver's fault.
    fn get_control(&mut self, control: Control, info: ControlInfo) -> Result<ControlValue, DeviceError> {
        self.entry_checked(Entry::GetControl, move |cx| D::get_control(cx, control), |value, _, _| info.allows(*value))
    }

    /// What an application has turned. What the codec does not take is put back where it was turned.
    pub(super) fn turn(&mut self, control: Control, value: ControlValue) -> Result<(), DeviceError> {
        let Some(info) = self.class.has.controls.get(control.0 as usize) else { return Ok(()) };
        let before = self.class.controls[control.0 as usize];
        if !info.allows(value) || value == before {
            return Ok(());
        }
        match self.entry(Entry::SetControl, move |cx| D::set_control(cx, control, value)) {
            Ok(()) => {
                self.class.controls[control.0 as usize] = value;
                Ok(())
            }
            Err(error @ DeviceError::GaveUp { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(device = %self.name, control = info.name, %error, "a control stays as it was");
                if let DeviceError::Entry { source: CallError::Driver(error), .. } = error {
                    self.after_error(Entry::SetControl, error)?;
                }
                Ok(self.class.endpoint.show_control(control, before)?)
            }
        }
    }

    /// Has the driver told of all controls that are not as they are to be, after a restart.
    pub(super) fn replay_controls(&mut self, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        for number in 0..self.class.controls.len() {
            let (control, wanted) = (Control(number as u32), self.class.controls[number]);
            let get = move |cx: &mut udrv_driver::Cx<'_, D::State>| D::get_control(cx, control);
            if self.within_rung(Entry::GetControl, ATTEMPTS, nested, get)? != wanted {
                let set = move |cx: &mut udrv_driver::Cx<'_, D::State>| D::set_control(cx, control, wanted);
                self.within_rung(Entry::SetControl, ATTEMPTS, nested, set)?;
            }
        }
        Ok(())
    }
}
