//! jq's numbers. They are exact integers where possible, and otherwise doubles. `700000164995.0` is
//! read, compared and printed as the integer `700000164995`.

use std::cmp::Ordering;

use serde_json::Value as Json;

/// Whole numbers with a smaller absolute value than this are exact integers. They fit into an
/// `i128`.
const MAX_WHOLE: f64 = 1e30;

#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i128),
    /// A number with a fraction, a number that is too large for an exact integer, infinity, or NaN.
    Float(f64),
}

impl Number {
    pub(super) fn from_f64(number: f64) -> Self {
        if number.fract() == 0.0 && number.abs() < MAX_WHOLE {
            Self::Int(number as i128)
        } else {
            Self::Float(number)
        }
    }

    pub(super) fn from_json(number: &serde_json::Number) -> Self {
        match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => Self::Int(whole),
            (None, float) => Self::from_f64(float.unwrap_or(f64::NAN)),
        }
    }

    /// Parses a number in the text of a program.
    pub(super) fn parse(literal: &str) -> Option<Self> {
        match literal.parse::<i128>() {
            Ok(whole) if (whole as f64).abs() < MAX_WHOLE => Some(Self::Int(whole)),
            _ => literal.parse().ok().map(Self::from_f64),
        }
    }

    /// Returns the number as jq prints it. Infinity becomes the largest double, and NaN becomes
    /// null.
    pub(super) fn to_json(self) -> Json {
        let float = |number: f64| match number {
            _ if number.is_nan() => Json::Null,
            _ => Json::from(number.clamp(f64::MIN, f64::MAX)),
        };
        match self {
            Self::Int(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => Json::from(whole),
                (_, Ok(whole)) => Json::from(whole),
                _ => float(whole as f64),
            },
            Self::Float(number) => float(number),
        }
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(whole) => whole as f64,
            Self::Float(number) => number,
        }
    }

    pub(super) fn as_isize(self) -> Option<isize> {
        match self {
            Self::Int(whole) => isize::try_from(whole).ok(),
            Self::Float(_) => None,
        }
    }

    /// Returns the number as an index, rounded down as in jq, or `None` if it does not fit into an
    /// `isize`.
    pub(super) fn as_index(self) -> Option<isize> {
        match self {
            Self::Int(whole) => isize::try_from(whole).ok(),
            Self::Float(number) => Self::from_f64(number.floor()).as_isize(),
        }
    }

    fn exact(
        self,
        other: Self,
        whole: fn(i128, i128) -> Option<i128>,
        float: fn(f64, f64) -> f64,
    ) -> Self {
        match (self, other) {
            // A result of `MAX_WHOLE` or more becomes a double. Otherwise two different integers
            // could both equal the same double, and the comparison would not be a total order.
            (Self::Int(one), Self::Int(other)) => {
                whole(one, other).filter(|result| (*result as f64).abs() < MAX_WHOLE)
            }
            _ => None,
        }
        .map_or_else(
            || Self::from_f64(float(self.as_f64(), other.as_f64())),
            Self::Int,
        )
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.exact(other, i128::checked_add, |one, other| one + other)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.exact(other, i128::checked_sub, |one, other| one - other)
    }

    pub(super) fn times(self, other: Self) -> Self {
        self.exact(other, i128::checked_mul, |one, other| one * other)
    }

    /// Returns `None` if the divisor is zero.
    pub(super) fn divided_by(self, other: Self) -> Option<Self> {
        let divisor = other.as_f64();
        let whole = |one: i128, other: i128| match one.checked_rem(other) {
            Some(0) => one.checked_div(other),
            _ => None,
        };
        (divisor != 0.0).then(|| self.exact(other, whole, |one, other| one / other))
    }

    /// Computes jq's `%`, which truncates both sides to whole numbers. The result has the sign of
    /// the dividend. Returns `None` if the truncated divisor is zero, or is `i128::MIN` or less.
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        let cut = |number: Self| match number {
            Self::Int(whole) => whole,
            Self::Float(number) => number as i128,
        };
        cut(self)
            .checked_rem(cut(other).checked_abs()?)
            .map(Self::Int)
    }

    pub(super) fn negated(self) -> Self {
        Self::Int(0).minus(self)
    }
}

impl Number {
    /// Compares as jq does. NaN sorts before every other number.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            _ => {
                let (one, other) = (self.as_f64(), other.as_f64());
                one.partial_cmp(&other)
                    .unwrap_or_else(|| other.is_nan().cmp(&one.is_nan()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Number {
        Number::from_json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_whole_number_is_one_however_it_was_written() {
        for (written, read_as) in [
            ("700000164995.0", "700000164995"),
            ("7.00000164995e11", "700000164995"),
            ("-0.0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.5", "1.5"),
        ] {
            assert_eq!(read(written).to_json().to_string(), read_as);
        }
        assert_eq!(read("3.0").cmp(&read("3")), Ordering::Equal);
    }

    #[test]
    fn arithmetic_is_jqs() {
        let show = |number: Option<Number>| number.map(|number| number.to_json().to_string());
        assert_eq!(
            show(read("7").divided_by(read("2"))).as_deref(),
            Some("3.5")
        );
        assert_eq!(show(read("6").divided_by(read("2"))).as_deref(), Some("3"));
        assert_eq!(show(read("1").divided_by(read("0"))), None);
        assert_eq!(show(read("-5").remainder(read("3"))).as_deref(), Some("-2"));
        assert_eq!(
            show(read("5.9").remainder(read("-3"))).as_deref(),
            Some("2")
        );
        assert_eq!(show(read("5").remainder(read("0.5"))), None);
        let largest = Number::Int(i128::MAX);
        assert!(matches!(largest.plus(largest), Number::Float(_)));
    }
}
