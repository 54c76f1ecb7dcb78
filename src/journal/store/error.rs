//! What can go wrong with the journal. In: an error of the store. Out: what was attempted where,
//! why it failed, and what to do, with no credential in any text or source.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::super::chain::Finding;
use crate::domain::Problem;

/// The journal could not do what was asked. Nothing may be carried out on the strength of it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The place cannot be used as configured.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store refused or could not be reached.
    #[error("journal {place}: {doing} {path} failed: {source}{}", source.remedy(doing))]
    Store {
        /// The journal's place.
        place: String,
        /// What was attempted.
        doing: &'static str,
        /// On which file or folder, from the journal's root.
        path: String,
        /// Why it failed.
        source: StoreFault,
    },
    /// No answer in time. A write may have been carried out all the same; a repetition finds that
    /// out.
    #[error("journal {place}: {doing} {path} had no answer within {} s; see whether the place can be reached", after.as_secs())]
    TimedOut {
        /// The journal's place.
        place: String,
        /// What was attempted.
        doing: &'static str,
        /// On which file or folder.
        path: String,
        /// How long was waited.
        after: Duration,
    },
    /// A stored record is not what was written; nothing is done for its request.
    #[error("journal {place}: {finding}")]
    Damaged {
        /// The journal's place.
        place: String,
        /// Which file, and what is wrong.
        finding: Box<Finding>,
    },
    /// What was to be recorded cannot follow, or cannot be recorded at all: a mistake of the
    /// caller.
    #[error("not recorded: {0}")]
    Refused(String),
}

/// A place that cannot be used as configured.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct PlaceError {
    /// What is wrong with it, and what to write instead.
    pub problem: Problem,
    /// What the system said.
    #[source]
    pub source: Option<StoreFault>,
}

impl From<Problem> for JournalError {
    fn from(problem: Problem) -> Self {
        Self::Place(PlaceError {
            problem,
            source: None,
        })
    }
}

/// A record was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another worker has written the next record: this one's turn is over, and it must stop.
    #[error("another worker has taken over this request")]
    Lost,
    /// The journal failed. The record may or may not be there; appending it again is safe.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// An error of the store as text that may be shown: credentials and the bodies of answers are taken
/// out, also from its sources.
#[derive(Debug)]
pub struct StoreFault {
    text: String,
    denied: bool,
    source: Option<Box<StoreFault>>,
}

impl StoreFault {
    fn remedy(&self, doing: &str) -> &'static str {
        if doing == "delete" {
            "; let this process delete files there, or wait until the retention of that file ends; what is not removed stays"
        } else if self.denied {
            "; let this process list, read and create files there"
        } else {
            "; nothing was done on the strength of it, try again once the place can be used"
        }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for StoreFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The credentials that must not appear in any text.
#[derive(Debug, Default)]
pub(super) struct Scrub(Vec<SecretString>);

/// Shorter values are no credentials, and taking them out would only garble the text.
const MIN_SECRET_LEN: usize = 8;
/// How deep sources are followed, and how long each text may be.
const MAX_SOURCES: usize = 8;
const MAX_TEXT_CHARS: usize = 500;

impl Scrub {
    pub(super) fn new(secrets: Vec<SecretString>) -> Self {
        Self(secrets)
    }

    /// The error and its sources as text that may be shown.
    pub(super) fn fault(&self, error: &(dyn Error + 'static)) -> StoreFault {
        self.fault_to(error, MAX_SOURCES)
    }

    fn fault_to(&self, error: &(dyn Error + 'static), deeper: usize) -> StoreFault {
        let source = error.source().filter(|_| deeper > 0);
        let source = source.map(|source| Box::new(self.fault_to(source, deeper - 1)));
        let denied = match error.downcast_ref::<object_store::Error>() {
            Some(
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. },
            ) => true,
            _ => error.downcast_ref::<std::io::Error>().is_some_and(|io| {
                matches!(
                    io.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
                )
            }),
        };
        let text = self.clean(&error.to_string());
        // The store has no variant for a listing that was refused; the status is in its text only.
        let refused = ["401 Unauthorized", "403 Forbidden"]
            .iter()
            .any(|status| text.contains(status));
        let denied = denied || refused || source.as_ref().is_some_and(|source| source.denied);
        StoreFault {
            text,
            denied,
            source,
        }
    }

    fn clean(&self, text: &str) -> String {
        let mut text = without_body(text);
        for secret in self.0.iter().map(ExposeSecret::expose_secret) {
            if secret.len() >= MIN_SECRET_LEN {
                text = text.replace(secret, "[secret]");
            }
        }
        match text.char_indices().nth(MAX_TEXT_CHARS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }
}

/// S3 and Azure answer a wrong signature with the request as they saw it, the session token among
/// its headers, once as text and once as a hex dump. Of an answer's XML only `Code` and `Message`
/// are kept.
fn without_body(text: &str) -> String {
    let Some((head, body)) = text.find('<').map(|start| text.split_at(start)) else {
        return text.to_owned();
    };
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0)
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{head}{code}: {message}"),
        (Some(code), None) => format!("{head}{code}"),
        _ => format!("{head}(an answer that is not the store's)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub() -> Scrub {
        Scrub::new(vec![
            SecretString::from("AKIDSECRETSECRET"),
            SecretString::from("us"),
        ])
    }

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn credentials_leave_the_text_and_every_source() {
        let fault = scrub().fault(&generic("signed by AKIDSECRETSECRET in us-east-1"));
        assert!(
            fault
                .to_string()
                .contains("signed by [secret] in us-east-1"),
            "{fault}"
        );
        let inner = fault.source().unwrap().to_string();
        assert_eq!(inner, "signed by [secret] in us-east-1");
        assert!(!format!("{fault:?}").contains("AKID"));
        assert!(!format!("{:?}", scrub()).contains("AKID"));
    }

    #[test]
    fn of_an_answer_only_code_and_message_are_kept() {
        let body = "Server returned 403: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
                    <Message>The request signature does not match.</Message><StringToSign>AWS4 x</StringToSign>\
                    <CanonicalRequestBytes>50 55 54</CanonicalRequestBytes></Error>";
        let text = scrub().fault(&generic(body)).to_string();
        assert!(
            text.ends_with("403: SignatureDoesNotMatch: The request signature does not match."),
            "{text}"
        );
        let text = scrub()
            .fault(&generic("502: <html>proxy says hello</html>"))
            .to_string();
        assert!(
            text.ends_with("502: (an answer that is not the store's)"),
            "{text}"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        assert!(
            scrub()
                .fault(&generic(&"ä".repeat(100_000)))
                .to_string()
                .len()
                < 1_100
        );
    }

    #[test]
    fn a_refusal_names_what_to_allow() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(denied),
        };
        assert!(
            scrub()
                .fault(&error)
                .remedy("read")
                .contains("create files")
        );
        assert!(
            scrub()
                .fault(&generic("broken pipe"))
                .remedy("read")
                .contains("try again")
        );
    }
}
