//! Numbers in a few characters.

/// A rate or a count: `0`, `0.5`, `999`, `8.1k`, `12M`.
pub(super) fn count(n: f64) -> String {
    const UNITS: [&str; 4] = ["", "k", "M", "G"];
    let (mut n, mut unit) = (n, 0);
    // 999.6 would be shown as 1000
    while n >= 999.5 && unit + 1 < UNITS.len() {
        n /= 1000.0;
        unit += 1;
    }
    match n {
        0.0 => "0".to_owned(),
        n if n < 9.95 => format!("{n:.1}{}", UNITS[unit]),
        n => format!("{n:.0}{}", UNITS[unit]),
    }
}

/// How often something has happened: `6`, `8.1k`.
pub(super) fn times(n: u64) -> String {
    if n < 1000 { n.to_string() } else { count(n as f64) }
}

/// Bytes: `12.3 MB`.
pub(super) fn bytes(n: f64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let (mut n, mut unit) = (n, 0);
    while n >= 999.5 && unit + 1 < UNITS.len() {
        n /= 1000.0;
        unit += 1;
    }
    if unit == 0 || n >= 99.95 { format!("{n:.0} {}", UNITS[unit]) } else { format!("{n:.1} {}", UNITS[unit]) }
}

/// Nanoseconds: `750 ns`, `4.1 us`.
pub(super) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 999.5 => format!("{ns:.0} ns"),
        ns if ns < 99_950.0 => format!("{:.1} us", ns / 1e3),
        ns if ns < 999_500.0 => format!("{:.0} us", ns / 1e3),
        ns if ns < 999_500_000.0 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.1} s", ns / 1e9),
    }
}

/// A while, in nanoseconds: `3 s`, `5 min`, `2 h`, `4 d`.
pub(super) fn while_of(ns: u64) -> String {
    match ns / 1_000_000_000 {
        s @ 0..100 => format!("{s} s"),
        s @ 100..6000 => format!("{} min", s / 60),
        s @ 6000..172_800 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// A line of bars, one for each number; the largest is as high as a line.
pub(super) fn bars(numbers: impl Iterator<Item = u64> + Clone) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.clone().max().unwrap_or(0).max(1) as f64;
    numbers.map(|n| BARS[((n as f64 / most * 7.0).round() as usize).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_wrong_by_a_unit() {
        let counts = [0.0, 0.46, 9.96, 81.0, 999.4, 999.6, 8123.0, 99_960.0, 12e6, 5e12].map(count);
        assert_eq!(counts, ["0", "0.5", "10", "81", "999", "1.0k", "8.1k", "100k", "12M", "5000G"]);
        assert_eq!([6, 999, 8123].map(times), ["6", "999", "8.1k"]);
        let all = [0.0, 999.0, 1500.0, 99_960.0, 12.3e6, 250e6].map(bytes);
        assert_eq!(all, ["0 B", "999 B", "1.5 kB", "100 kB", "12.3 MB", "250 MB"]);
        let times = [0.0, 750.0, 999.7, 4100.0, 230_000.0, 2.5e6, 3.21e9].map(time);
        assert_eq!(times, ["0 ns", "750 ns", "1.0 us", "4.1 us", "230 us", "2.5 ms", "3.2 s"]);
        let whiles = [0, 99, 300, 7200, 400_000].map(|s: u64| while_of(s * 1_000_000_000));
        assert_eq!(whiles, ["0 s", "99 s", "5 min", "2 h", "4 d"]);
        assert_eq!(bars([0, 50, 100].into_iter()), "▁▅█");
        assert_eq!(bars([0, 0].into_iter()), "▁▁");
    }
}
