//! udrvd
fn main() {}
