//! Names as a reader wants them, and whose they are.

/// A mangled name in the source's terms, without hashes.
pub(super) fn readable(mangled: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(mangled))
}

/// The better of two names for one function. With line tables only, debug information may say `transmit<T>` where the
/// symbol table, which can be of a neighbour without debug information, says `driver::Chip::transmit`.
pub(super) fn fuller(of_debug_info: Option<String>, of_symbol_table: Option<String>) -> Option<String> {
    let (Some(short), Some(full)) = (&of_debug_info, &of_symbol_table) else {
        return of_debug_info.or(of_symbol_table);
    };
    let closure = |name: &str| name.contains("{closure");
    let (name, last) = (own_part(short), own_part(full));
    let same = !name.is_empty() && (name == last || closure(name) && closure(last));
    if same { of_symbol_table } else { of_debug_info }
}

/// The name of the function or method alone, without path and type arguments: `transmit`.
pub(super) fn own_part(name: &str) -> &str {
    let plain = match opening(name) {
        Some(at) if at > 0 => name[..at].trim_end_matches("::"),
        _ => name,
    };
    plain.rsplit("::").next().unwrap_or(plain)
}

/// Where the angle bracket opens that the name's last character closes.
fn opening(name: &str) -> Option<usize> {
    if !name.ends_with('>') {
        return None;
    }
    let mut depth = 0_u32;
    for (at, c) in name.char_indices().rev() {
        match c {
            '>' if !name[..at].ends_with('-') => depth += 1,
            '<' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The path from `drivers/` on, or its file name: the same on every machine.
#[must_use]
pub fn tail(file: &str) -> &str {
    match file.rfind("drivers/") {
        Some(at) => &file[at..],
        None => file.rsplit('/').next().unwrap_or(file),
    }
}

/// The first function on a driver's stack: `foot` of `domain.rs`.
pub(super) fn is_foot(function: &str) -> bool {
    function.strip_prefix("fgft::domain::foot").is_some_and(|rest| rest.is_empty() || rest.starts_with("::<"))
}

/// Functions that are between a driver's mistake and the engine, or between the engine and the driver.
const GLUE: [&str; 6] = [
    "fgft_", // asm.rs
    "__wrap_",
    "core::panicking::",
    "std::panicking::",
    "__rustc::rust_begin_unwind",
    "core::ops::function::",
];

/// Whether a frame is of the engine, of what makes a panic, or a mere call of a closure.
pub(super) fn is_machinery(function: Option<&str>, file: Option<&str>) -> bool {
    let of_engine = |f: &str| f.starts_with("fgft::") || f.starts_with("<fgft::");
    function.is_some_and(|f| of_engine(f) || GLUE.iter().any(|glue| f.starts_with(glue)))
        || file.is_some_and(|f| is_own(f) || is_of_std(f) && f.ends_with("/core/src/ops/function.rs"))
}

/// Whether a source file is one of this crate's `src`.
fn is_own(file: &str) -> bool {
    let own = file!().strip_suffix("symbols/names.rs").unwrap_or(file!());
    file.find(own).is_some_and(|at| at == 0 || file[..at].ends_with('/'))
}

/// Whether a source file is one of Rust's own libraries: named by the compiler's commit, or as rustup installs it.
pub(super) fn is_of_std(file: &str) -> bool {
    file.starts_with("/rustc/") || file.contains("/rustlib/src/rust/library/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_short() {
        for (mangled, name, method) in [
            ("_ZN6driver4Chip8transmit17h0123456789abcdefE", "driver::Chip::transmit", "transmit"),
            (
                "_ZN6driver8transmit28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
                "driver::transmit::{{closure}}",
                "{{closure}}",
            ),
            ("_RNvC6driver8transmit", "driver::transmit", "transmit"),
            ("memcpy", "memcpy", "memcpy"),
            ("transmit<driver::Chip>", "transmit<driver::Chip>", "transmit"),
            ("", "", ""),
        ] {
            assert_eq!(readable(mangled), name);
            assert_eq!(own_part(name), method);
        }
        assert_eq!(own_part("<driver::Chip as driver::Net>::transmit"), "transmit");
        assert_eq!(own_part("driver::transmit::<driver::Chip>"), "transmit");
        assert_eq!(own_part("<driver::Chip<u8> as driver::Net<u8>>::transmit::<fn() -> u8>"), "transmit");
        assert_eq!(own_part("{closure#0}<fn()>"), "{closure#0}");
        assert_eq!(own_part("<u8 as Into<u16>>"), "<u8 as Into<u16>>");
        assert_eq!(own_part(">"), ">");
    }

    #[test]
    fn the_symbol_table_is_believed_only_about_the_same_function() {
        let better = |short: &str, full: &str| fuller(Some(short.to_owned()), Some(full.to_owned())).unwrap();
        assert_eq!(better("transmit", "driver::Chip::transmit"), "driver::Chip::transmit");
        assert_eq!(better("transmit<u8>", "driver::transmit"), "driver::transmit");
        assert_eq!(better("transmit<u8>", "driver::transmit::<u8>"), "driver::transmit::<u8>");
        assert_eq!(better("{closure#0}<u8>", "driver::run::{{closure}}"), "driver::run::{{closure}}");
        assert_eq!(better("transmit", "driver::retransmit"), "transmit");
        assert_eq!(better("transmit", "fgft_upcall"), "transmit");
        assert_eq!(fuller(None, Some("memcpy".into())).as_deref(), Some("memcpy"));
        assert_eq!(fuller(Some("a".into()), None).as_deref(), Some("a"));
        assert_eq!(fuller(None, None), None);
    }

    #[test]
    fn machinery_is_told_from_drivers() {
        let engine = format!("/anywhere/{}", file!());
        for (function, file) in [
            (Some("fgft::panic::leave"), None),
            (Some("foot<[u64; 64]>"), Some(&*engine)),
            (Some("core::panicking::panic_fmt"), Some("/rustc/0/library/core/src/panicking.rs")),
            (Some("call_once<fn()>"), Some("/rustc/0/library/core/src/ops/function.rs")),
            (Some("fgft_upcall"), None),
        ] {
            assert!(is_machinery(function, file), "{function:?} {file:?}");
        }
        let other = format!("/anywhere/not{}", file!());
        for (function, file) in [
            (Some("driver::fgft_like"), Some(&*other)),
            (Some("<driver::Host as fgft::upcall::Upcalls<()>>::upcall"), None),
            (Some("read_volatile<u64>"), Some("/rustc/0/library/core/src/ptr/mod.rs")),
            (None, None),
        ] {
            assert!(!is_machinery(function, file), "{function:?} {file:?}");
        }
        assert!(is_foot("fgft::domain::foot") && is_foot("fgft::domain::foot::<u64, u64>"));
        assert!(!is_foot("fgft::domain::footing"));
    }

    #[test]
    fn paths_are_the_same_on_every_machine() {
        assert_eq!(tail("/home/me/udrv/drivers/rtl8139/src/lib.rs"), "drivers/rtl8139/src/lib.rs");
        assert_eq!(tail("/rustc/0/library/core/src/option.rs"), "option.rs");
    }
}
