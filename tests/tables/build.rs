//! Links this program so that a panic inside a transaction keeps its message: see `fgft/build.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_FGFT_WRAP");
    if let Ok(name) = std::env::var("DEP_FGFT_WRAP") {
        println!("cargo::rustc-link-arg-bins=-Wl,--wrap={name}");
    }
}
