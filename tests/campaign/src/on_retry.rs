//! A fault that is gone when what has failed is tried again: it is taken out when the first one is noticed.

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::fault::Fault;

/// Hears that a call has failed.
pub(crate) struct OnRetry;

impl<S: Subscriber> Layer<S> for OnRetry {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == udrv::report::FAILED_CALL
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        Fault::remove();
    }
}
