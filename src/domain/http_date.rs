//! Reads the date of an HTTP header in the three forms of RFC 9110, section 5.6.7, and in the
//! form of RFC 2822. Takes the text and returns the instant.

use jiff::Timestamp;

/// Returns the instant, or `None` if the text has none of the forms. Also reads the forms of RFC 2822,
/// such as `+0000` in place of `GMT`, which some servers send.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let read = httpdate::parse_http_date(text).ok();
    let read = read.and_then(|read| Timestamp::try_from(read).ok());
    let mail = || jiff::fmt::rfc2822::parse(text).ok();
    read.or_else(|| mail().map(|read| read.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9110.
    #[test]
    fn all_three_forms_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 +0000",
        ] {
            let read = http_date(text).map(Timestamp::as_second);
            assert_eq!(read, Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("tomorrow"), None);
    }
}
