//! Loads and stores that may hit memory that is not there.
