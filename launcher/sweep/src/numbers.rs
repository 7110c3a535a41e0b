//! Numbers as people read them.

use crate::stats::Estimate;

/// A value of any size in few characters: three significant digits.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    match size {
        0.0 => "0".to_owned(),
        s if !(0.001..1e5).contains(&s) => format!("{value:.2e}"),
        s if s >= 100.0 => format!("{value:.0}"),
        s if s >= 10.0 => format!("{value:.1}"),
        s if s >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// An estimate as `show` writes it, or a dash where there is none.
pub(crate) fn or_dash(of: Option<Estimate>, show: fn(Estimate) -> String) -> String {
    of.map_or_else(|| "–".to_owned(), show)
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `1.93 [1.88, 1.98]`.
pub(crate) fn estimate(of: Estimate) -> String {
    shown(of, short)
}

/// The same in percent.
pub(crate) fn estimate_percent(of: Estimate) -> String {
    shown(of, percent)
}

fn shown(of: Estimate, number: impl Fn(f64) -> String) -> String {
    match of.interval {
        Some([low, high]) => format!("{} [{}, {}]", number(of.value), number(low), number(high)),
        None => number(of.value),
    }
}

/// Bytes with a decimal prefix.
pub(crate) fn bytes(count: f64) -> String {
    let (unit, name) = match count {
        c if c >= 1e9 => (1e9, "GB"),
        c if c >= 1e6 => (1e6, "MB"),
        c if c >= 1e3 => (1e3, "kB"),
        _ => (1.0, "B"),
    };
    format!("{} {name}", short(count / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 12345.6, 123.4, 12.34, 1.234, 0.1234, 0.000_123_4, 1e9, f64::NAN, -1.5].map(short);
        assert_eq!(shown, ["0", "12346", "123", "12.3", "1.23", "0.123", "1.23e-4", "1.00e9", "–", "-1.50"]);
        assert_eq!([5.0, 1500.0, 2e6, 3e9].map(bytes), ["5.00 B", "1.50 kB", "2.00 MB", "3.00 GB"]);
        let of = Estimate { value: 2.0, interval: Some([1.5, 2.5]), runs: 3 };
        assert_eq!(
            (estimate(of), estimate_percent(of).as_str()),
            ("2.00 [1.50, 2.50]".to_owned(), "200.0 % [150.0 %, 250.0 %]")
        );
    }
}
