//! What a source file may contain, by where it is.

use super::lexer::{Token, tokens};

/// Lines that a file may have without a reason.
const LINES: usize = 700;
/// Starts the comment with the reason.
const REASON: &str = "//! Long:";

/// One line for each rule that the file at `path` (from the root) with this `text` breaks.
pub(super) fn check(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let attributes = inner_attributes(&tokens);
    let mut violations = Vec::new();
    let mut broken = |line: Option<usize>, rule: &str| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        violations.push(format!("{path}{line}: {rule}"));
    };

    if is_crate_root(path, "drivers") && !attributes.iter().any(|a| a == "no_std") {
        broken(None, "a driver is #![no_std]");
    }
    if (is_crate_root(path, "drivers") || is_crate_root(path, "models")) && !sets(&attributes, "forbid") {
        broken(None, "drivers and models say #![forbid(unsafe_code)]");
    }
    if !may_be_unsafe(path, &attributes) {
        for token in without_tests(&tokens).filter(|token| token.text == "unsafe") {
            let rule = "unsafe is for fgft, udrv/inject, modules of udrv that say #![allow(unsafe_code)], and tests";
            broken(Some(token.line), rule);
        }
    }
    let lines = text.lines().count();
    if lines > LINES && !text.lines().any(|l| l.strip_prefix(REASON).is_some_and(|reason| !reason.trim().is_empty())) {
        broken(None, &format!("{lines} lines; more than {LINES} need a reason: `{REASON} ...`"));
    }
    violations
}

/// Whether this is the `lib.rs` of a crate in `folder`.
fn is_crate_root(path: &str, folder: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts[..], [first, _, "src", "lib.rs"] if first == folder)
}

/// Whether a lint level is set for `unsafe_code`, as in `forbid(unsafe_code)`.
fn sets(attributes: &[String], level: &str) -> bool {
    attributes.iter().any(|a| {
        let lints = a.strip_prefix(level).and_then(|rest| rest.strip_prefix('('));
        lints.is_some_and(|lints| lints.split(|c: char| !c.is_alphanumeric() && c != '_').any(|l| l == "unsafe_code"))
    })
}

fn may_be_unsafe(path: &str, attributes: &[String]) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let in_tests = folder.split('/').any(|part| part == "tests") || file == "tests.rs" || file.ends_with("_tests.rs");
    let lifted = path.starts_with("udrv/src/") && sets(attributes, "allow");
    path.starts_with("fgft/") || path.starts_with("udrv/inject/") || in_tests || lifted
}

/// The contents of `#![...]`, without spaces.
fn inner_attributes(tokens: &[Token<'_>]) -> Vec<String> {
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text);
    let starts = (0..tokens.len()).filter(|at| (text(*at), text(at + 1), text(at + 2)) == ("#", "!", "["));
    starts.map(|at| tokens[at + 3..].iter().map(|t| t.text).take_while(|t| *t != "]").collect()).collect()
}

/// The tokens without items that carry `#[cfg(test)]`.
fn without_tests<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = &'a Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    std::iter::from_fn(move || {
        while tokens.get(at..at + MARK.len()).is_some_and(|t| t.iter().map(|t| t.text).eq(MARK)) {
            at = end_of_item(tokens, at + MARK.len());
        }
        let token = tokens.get(at)?;
        at += 1;
        Some(token)
    })
}

/// Index behind the item at `at`: its semicolon, or the brace that closes its body.
fn end_of_item(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVER: &str = "drivers/nic/src/lib.rs";
    const MODEL: &str = "models/nic/src/lib.rs";

    #[test]
    fn a_driver_is_no_std_and_forbids_unsafe() {
        assert_eq!(check(DRIVER, "//! A chip.\n#![no_std]\n#![forbid(unsafe_code)]\n"), [""; 0]);
        for (text, rule) in [
            ("#![forbid(unsafe_code)]", "no_std"),
            ("#![cfg_attr(not(test), no_std)] #![forbid(unsafe_code)]", "no_std"),
            ("#![no_std]", "forbid"),
            ("#![no_std] #![deny(unsafe_code)]", "forbid"),
            ("#![no_std] #![forbid(unsafe_op_in_unsafe_fn)]", "forbid"),
            ("#![no_std] // #![forbid(unsafe_code)]", "forbid"),
        ] {
            let found = check(DRIVER, text);
            assert!(found.len() == 1 && found[0].starts_with(DRIVER) && found[0].contains(rule), "{text}: {found:?}");
        }
        assert_eq!(check("drivers/nic/src/regs.rs", ""), [""; 0]);
    }

    #[test]
    fn a_model_forbids_unsafe() {
        assert_eq!(check(MODEL, "#![forbid(missing_docs, unsafe_code)]"), [""; 0]);
        assert_eq!(check(MODEL, "").len(), 1);
    }

    #[test]
    fn unsafe_code_has_its_places() {
        let code = "fn f() {\n    unsafe { g() }\n}\n";
        let lifted = format!("//! An ioctl.\n#![allow(unsafe_code)]\n{code}");
        for path in ["fgft/src/x.rs", "fgft/benches/x.rs", "udrv/inject/src/lib.rs", "daemon/tests/kill.rs"] {
            assert_eq!(check(path, code), [""; 0], "{path}");
        }
        assert_eq!(check("udrv/src/vfio/abi.rs", &lifted), [""; 0]);
        assert_eq!(check("udrv/src/endpoint/tap_tests.rs", code), [""; 0]);
        for path in
            ["udrv/src/dma.rs", "udrv/bus/src/pci.rs", "models/nic/src/rx.rs", "daemon/src/main.rs", "xtask/src/x.rs"]
        {
            let found = check(path, code);
            assert!(found.len() == 1 && found[0].starts_with(&format!("{path}:2: unsafe")), "{path}: {found:?}");
        }
        for path in ["udrv/driver/src/net.rs", "daemon/src/main.rs"] {
            assert_eq!(check(path, &lifted).len(), 1, "{path}: only modules of udrv may lift the lint");
        }
    }

    #[test]
    fn all_forms_of_unsafe_are_seen_and_only_those() {
        let path = "daemon/src/main.rs";
        for code in [
            "unsafe fn f() {}",
            "unsafe impl Send for T {}",
            "#[unsafe(no_mangle)] fn f() {}",
            "unsafe extern \"C\" {}",
        ] {
            assert_eq!(check(path, code).len(), 1, "{code}");
        }
        for code in
            ["// unsafe\n", "/* unsafe */", "let s = \"unsafe\";", "let unsafe_code = 1;", "#![forbid(unsafe_code)]"]
        {
            assert_eq!(check(path, code), [""; 0], "{code}");
        }
    }

    #[test]
    fn test_modules_are_tests_and_what_follows_them_is_not() {
        let path = "daemon/src/main.rs";
        let module = "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }\n";
        assert_eq!(check(path, module), [""; 0]);
        assert_eq!(check(path, &format!("{module}unsafe fn h() {{}}")).len(), 1);
        assert_eq!(check(path, "#[cfg(test)]\nmod tests;\nunsafe fn h() {}").len(), 1);
        assert_eq!(check(path, "#[cfg(not(test))]\nunsafe fn h() {}").len(), 1);
    }

    #[test]
    fn a_long_file_gives_its_reason() {
        let long = "\n".repeat(LINES + 1);
        assert_eq!(check("daemon/src/main.rs", &"\n".repeat(LINES)), [""; 0]);
        assert!(check("daemon/src/main.rs", &long)[0].contains("701 lines"));
        assert_eq!(check("daemon/src/main.rs", &format!("//! Long:  \n{long}")).len(), 1);
        assert_eq!(check("daemon/src/main.rs", &format!("//! Long: one table.\n{long}")), [""; 0]);
    }
}
