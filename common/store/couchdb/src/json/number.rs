//! Numbers as JavaScript and CouchDB keep them: double precision.

/// Digits that any decimal number may have and come back from double precision as it was.
const SAFE_DIGITS: usize = 15;

/// What becomes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes back as the same value.
    Kept,
    /// It comes back rounded.
    Rounded,
    /// It is too large to be taken at all.
    Refused,
}

pub(super) fn fate(number: &str) -> Fate {
    let plain = number.len() <= SAFE_DIGITS && !number.contains(['e', 'E']);
    if plain && !number.starts_with("-0") {
        return Fate::Kept;
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => {
            // JavaScript writes minus zero as zero.
            let signed_zero = value == 0.0 && number.starts_with('-');
            let same = !signed_zero && decimal(number) == decimal(&format!("{value:e}"));
            if same { Fate::Kept } else { Fate::Rounded }
        }
        _ => Fate::Refused,
    }
}

/// Whether both are the same in double precision.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
}

/// Sign, significant digits without zeros at their ends, and the power of ten of the last of them.
fn decimal(number: &str) -> (bool, String, i64) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    // Larger exponents than fit belong to numbers that are refused, or are zero.
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return (negative, String::new(), 0);
    }
    let dropped = (digits.len() - kept.len()) as i64;
    (negative, kept.to_owned(), exponent - fraction.len() as i64 + dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_meet_their_fate() {
        for kept in [
            "0",
            "1",
            "-1",
            "1.5",
            "1.50",
            "1760000000000",
            "1e3",
            "0.1",
            "9007199254740991",
            "1e300",
            "1E-7",
        ] {
            assert_eq!(fate(kept), Fate::Kept, "{kept}");
        }
        for rounded in [
            "-0",
            "-0.0",
            "9007199254740993",
            "123456789012345678901234567890",
            "0.10000000000000001",
            "1e-400",
        ] {
            assert_eq!(fate(rounded), Fate::Rounded, "{rounded}");
        }
        assert_eq!(fate("1e400"), Fate::Refused);
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_comes_back(value: f64, digits in 0_usize..20) {
            let text = format!("{value:.digits$}");
            if value.is_finite() && fate(&text) == Fate::Kept {
                let back = text.parse::<f64>().unwrap();
                proptest::prop_assert_eq!(decimal(&text), decimal(&format!("{back}")));
            }
        }
    }
}
