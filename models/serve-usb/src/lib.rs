//! Empty yet.
#![forbid(unsafe_code)]
