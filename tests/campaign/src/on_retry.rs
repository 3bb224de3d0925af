//! A fault that is gone when what has failed is tried again: it is taken out when the first one is noticed.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::patch;

/// Hears that a call has failed.
pub(crate) struct OnRetry;

impl Subscriber for OnRetry {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == udrv::report::FAILED_CALL
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Nothing;
        impl Visit for Nothing {
            fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
        }
        event.record(&mut Nothing);
        patch::remove();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
