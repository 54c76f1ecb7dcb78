//! Step 2 of TC3: builds the string to sign from the time, the scope and the hash of the canonical
//! request. Uses no key.

use jiff::Timestamp;
use jiff::tz::Offset;

/// The only algorithm of this signature version.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";
pub(super) const TERMINATION: &str = "tc3_request";

/// The day and the service for which a signature is valid: `2026-01-01/lighthouse/tc3_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialScope {
    /// The UTC day, `YYYY-MM-DD`.
    pub date: String,
    /// The product's short name, the first label of its domain.
    pub service: String,
}

impl CredentialScope {
    /// Returns the scope of a request to `service` at `now`, with the day in UTC.
    pub fn of(service: &str, now: Timestamp) -> Self {
        let date = Offset::UTC.to_datetime(now).date();
        Self {
            date: date.to_string(),
            service: service.to_owned(),
        }
    }
}

impl std::fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{TERMINATION}", self.date, self.service)
    }
}

/// Returns the four lines that are signed.
pub fn string_to_sign(
    now: Timestamp,
    scope: &CredentialScope,
    hashed_canonical_request: &str,
) -> String {
    format!(
        "{ALGORITHM}\n{}\n{scope}\n{hashed_canonical_request}",
        now.as_second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_utc_s() {
        for (second, date) in [
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
            (1_835_395_200, "2028-02-29"),
            (0, "1970-01-01"),
        ] {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(CredentialScope::of("cvm", now).date, date);
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_not_signed() {
        let now: Timestamp = "2026-01-01T00:00:00.999Z".parse().unwrap();
        let scope = CredentialScope::of("lighthouse", now);
        let text = string_to_sign(now, &scope, "ab");
        assert_eq!(
            text,
            "TC3-HMAC-SHA256\n1767225600\n2026-01-01/lighthouse/tc3_request\nab"
        );
    }
}
