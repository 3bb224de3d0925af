//! Compiles the C part.

fn main() {
    println!("cargo::rerun-if-changed=src/decoder.c");
    // at -O2 and above compilers make the loop a call of memcpy, and the fault would be reported there
    cc::Build::new().file("src/decoder.c").std("c99").warnings(true).opt_level(1).compile("decoder");
}
