//! A length of time in the format of tickets: `30d`, `12h`, `90m`, `45s`, `2w`. A day has 24 hours.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::problem::{Problem, shown};

/// A positive length of time, with the text from which it was read.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub struct Span {
    text: String,
    seconds: i64,
}

impl Span {
    /// Returns the length in seconds, which is at least 1 and at most ten years.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }
}

impl FromStr for Span {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        const TEN_YEARS: i64 = 3660 * 86_400;
        let wrong = || {
            Problem::new(
                "expires_in",
                format!("{} is not a length of time", shown(text)),
                "write a whole number and one of s m h d w, as in \"30d\", at most ten years",
            )
        };
        let unit = text.chars().last().ok_or_else(wrong)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let digits = text.strip_suffix(unit).unwrap_or_default();
        if digits.is_empty()
            || digits.starts_with('0')
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(wrong());
        }
        let count: i64 = digits.parse().map_err(|_| wrong())?;
        let seconds = count
            .checked_mul(factor)
            .filter(|s| *s <= TEN_YEARS)
            .ok_or_else(wrong)?;
        Ok(Self {
            text: text.to_owned(),
            seconds,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_24_hours() {
        assert_eq!("30d".parse::<Span>().unwrap().seconds(), 30 * 86_400);
        assert_eq!("2w".parse::<Span>().unwrap().seconds(), 14 * 86_400);
        for bad in [
            "",
            "d",
            "0d",
            "-1d",
            "1.5h",
            "P30D",
            "30 d",
            "30",
            "99999999999999999999d",
            "11000w",
            "٣d",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
    }
}
