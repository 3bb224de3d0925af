//! Fault injection: real faulting instructions, compiled into the caller.
