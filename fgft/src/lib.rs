//! Run a function as a transaction: its faults trapped, its memory rolled back.
