//! The type of a refusal: a code and a message. Clients may rely on the code, but not on the
//! message, because the sandbox has its own wording.

use std::borrow::Cow;

/// The content of `Response.Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// The complete code, as the API pages spell it. Frozen accounts and injected faults can have
    /// codes that no page lists.
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// Builds a refusal about the `thing` with this id, for example "The image `img-…` does not
    /// exist."
    pub(super) fn about(thing: &str, id: &str, code: &'static str, problem: &str) -> Self {
        Self::new(code, format!("The {thing} `{}` {problem}.", clip(id)))
    }

    pub(super) fn missing(name: &str) -> Self {
        let name = clip(name);
        let message = format!("The request is missing the required parameter `{name}`.");
        Self::new("MissingParameter", message)
    }

    pub(super) fn unknown(name: &str) -> Self {
        let message = format!("The parameter `{}` is not recognized.", clip(name));
        Self::new("UnknownParameter", message)
    }

    pub(super) fn wrong_type(name: &str, wanted: &str) -> Self {
        let message = format!("The parameter `{}` must be {wanted}.", clip(name));
        Self::new("InvalidParameter", message)
    }

    pub(super) fn invalid_value(name: &str, problem: &str) -> Self {
        let message = format!("The value of `{}` {problem}.", clip(name));
        Self::new("InvalidParameterValue", message)
    }
}

/// Returns a refusal as an `Err`.
pub(super) fn refuse<T>(code: &'static str, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new(code, message))
}

/// Shortens a caller's text for a message, and removes control characters.
pub(super) fn clip(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_carries_a_long_or_unprintable_text() {
        let error = ApiError::unknown(&format!("a\r\n{}", "x".repeat(10_000)));
        assert!(error.message.len() < 200, "{}", error.message.len());
        assert!(!error.message.contains('\n'));
    }
}
