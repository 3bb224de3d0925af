//! No endpoint: nobody sees what the device reports. It is there, for `udrvctl`.

use super::{Frame, InputEndpoint, InputEndpointError, Pointer, Shown};

/// See the module's text.
#[derive(Debug, Default)]
pub struct NoInput {
    shown: bool,
}

impl InputEndpoint for NoInput {
    fn name(&self) -> String {
        "none".to_owned()
    }

    fn show(&mut self, _: &Pointer<'_>) -> Result<Shown, InputEndpointError> {
        Ok(if std::mem::replace(&mut self.shown, true) { Shown::Same } else { Shown::New })
    }

    fn emit(&mut self, _: &Frame) -> Result<(), InputEndpointError> {
        Ok(())
    }
}
