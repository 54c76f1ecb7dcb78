//! Errors of the journal. An error of the store says what was attempted and where, what the cause
//! is, and what to do. Neither an error's text nor the text of its `source()` contains a
//! credential.

use std::error::Error;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::super::chain::Finding;
use super::super::location::{BucketService, JournalLocation};
use super::super::record::{MAX_RECORD_BYTES, MAX_RECORDS, StreamId};
use super::super::state::BrokenRecord;
use crate::domain::{Problem, Timestamp};

/// Why an operation of the journal failed. The caller must not act as if it had succeeded.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A setting, argument or file cannot be used: the place, the key of seals, a checkpoint, or
    /// the file for the report.
    #[error("{0}")]
    Place(Problem),
    /// The public key is not one of the journal's keys.
    #[error("{0}")]
    OtherKey(Problem),
    /// The store refused the operation or could not be reached.
    #[error("journal {place}: {doing} {path} failed: {fault}{}", fault.remedy(doing))]
    Store {
        /// The journal's place.
        place: String,
        /// What was attempted.
        doing: &'static str,
        /// The file or folder, from the journal's root.
        path: String,
        /// The cause.
        fault: StoreFault,
    },
    /// The store did not answer in time. A write may have succeeded nevertheless; repeating the
    /// same write detects that.
    #[error("journal {place}: no answer to \"{doing} {path}\" within {} s; check that the place can be reached", after.as_secs())]
    TimedOut {
        /// The journal's place.
        place: String,
        /// What was attempted.
        doing: &'static str,
        /// The file or folder, from the journal's root.
        path: String,
        /// The time limit.
        after: Duration,
    },
    /// The journal was opened only to read. No claim can be taken, so no request is carried out
    /// either.
    #[error("journal {place}: opened only to read, so nothing was written or carried out")]
    ReadOnly {
        /// The journal's place.
        place: String,
    },
    /// A stored file is missing or differs from what was written. If it is a record, no work is
    /// done on its request.
    #[error("journal {place}: {finding}")]
    Damaged {
        /// The journal's place.
        place: String,
        /// The file and its flaw.
        finding: Box<Finding>,
    },
    /// The event cannot follow the stream's newest record.
    #[error("not recorded: {0}")]
    CannotFollow(#[from] BrokenRecord),
    /// The request's id contains a zero byte, which separates source and id in a stream's name.
    #[error("not recorded: the id {id:?} contains a zero byte")]
    ZeroByteInId {
        /// The request's id.
        id: String,
    },
    /// The lease does not end after it begins.
    #[error("not recorded: the lease would end at {until}, not after it begins at {from}")]
    EmptyLease {
        /// When the lease would begin.
        from: Timestamp,
        /// When the lease would end.
        until: Timestamp,
    },
    /// The record exceeds the maximum size.
    #[error("not recorded: the record has {bytes} bytes; the maximum is {MAX_RECORD_BYTES}")]
    RecordTooLarge {
        /// The record's size in bytes.
        bytes: u64,
    },
    /// The stream has the maximum number of records.
    #[error("not recorded: stream {stream} has {MAX_RECORDS} records, the maximum")]
    StreamFull {
        /// The stream.
        stream: StreamId,
    },
    /// The record cannot be written as JSON.
    #[error("not recorded: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// The stream belongs to an incident, such as a conflict, and not to a request.
    #[error("stream {stream} belongs to an incident, not to a request")]
    NotARequest {
        /// The stream.
        stream: StreamId,
    },
    /// The stream has had records, and has none now.
    #[error("the records of stream {stream} are gone; restore them from a backup")]
    Gone {
        /// The stream.
        stream: StreamId,
    },
    /// The operating system provides no random bytes.
    #[error("not recorded: the operating system returned no random bytes: {0}")]
    NoRandomness(getrandom::Error),
}

impl JournalError {
    /// Whether the error concerns only one stream or file, so that work on other requests may
    /// continue.
    pub fn concerns_one_request(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::CannotFollow(_)
            | Self::ZeroByteInId { .. }
            | Self::EmptyLease { .. }
            | Self::RecordTooLarge { .. }
            | Self::StreamFull { .. }
            | Self::Unwritable(_)
            | Self::NotARequest { .. }
            | Self::Gone { .. } => true,
            Self::Place(_)
            | Self::OtherKey(_)
            | Self::Store { .. }
            | Self::TimedOut { .. }
            | Self::ReadOnly { .. }
            | Self::NoRandomness(_) => false,
        }
    }
}

impl From<Problem> for JournalError {
    fn from(problem: Problem) -> Self {
        Self::Place(problem)
    }
}

pub(super) fn place_error(
    setting: &'static str,
    location: &JournalLocation,
    scrub: &Scrub,
    error: &(dyn Error + 'static),
) -> JournalError {
    let fault = scrub.fault(error);
    let remedy = match location {
        JournalLocation::Directory(_) => {
            "name a directory that this process may create, list and write, on a file system with hard links"
        }
        JournalLocation::Bucket(bucket) => match bucket.service {
            BucketService::Gcs => "correct the place or the GOOGLE_ environment variables",
            BucketService::Azure => {
                "correct the place or the AZURE_ environment variables; AZURE_STORAGE_ACCOUNT_NAME must be among them"
            }
            BucketService::S3 => "correct the place or the AWS_ environment variables",
        },
        JournalLocation::Memory => "try again",
    };
    let problem = format!("{location} cannot be opened: {fault}");
    JournalError::Place(Problem::new(setting, problem, remedy))
}

/// Why appending a record failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another worker has taken over the request, or may have done so because this worker wrote
    /// nothing for [`MAX_PAUSE`](super::MAX_PAUSE). This worker must stop.
    #[error("another worker has taken over this request")]
    Lost,
    /// A later cancel or a withdrawal called off items of the request. The claim's state now
    /// includes the call-off; the record was not written.
    #[error("a part of this request was called off")]
    CalledOff,
    /// The journal failed. The record may or may not exist; appending it again is safe.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// A store's error as text for users, without credentials. If the store answered with XML, the text
/// contains at most the error code and the message of that answer.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StoreFault {
    text: String,
    /// What to do about a mistake in the settings of a bucket, if the error shows one.
    mistake: Option<&'static str>,
    denied: bool,
    /// Whether the store cannot create a file as the journal needs it.
    unfit: bool,
}

impl StoreFault {
    fn remedy(&self, doing: &str) -> &'static str {
        if let Some(remedy) = self.mistake {
            remedy
        } else if self.unfit && doing == "create" {
            "; if that happens again, choose a place that supports create-only writes (docs/journal.md)"
        } else if doing == "delete" {
            "; let this process delete files there (s3:DeleteObject, storage.objects.delete or `d`), or wait until the file's retention ends; until then the file stays"
        } else if self.denied && doing == "list" {
            "; let this process list files there (s3:ListBucket, storage.objects.list or `l`)"
        } else if self.denied {
            "; let this process list, read and create files there"
        } else {
            "; try again once the place can be used"
        }
    }
}

/// Two processes write one file, or the store refuses to create any file.
pub(super) const CONTENDED: &str = "the store says that the file exists, but it cannot be read";

/// What an error shows of a store without create-only writes: it does not know the condition's
/// header, its answer lacks the ETag, or no file can be created.
const UNFIT: [&str; 3] = ["501 Not Implemented", "ETag Header missing", CONTENDED];

/// The credentials that no text may contain.
#[derive(Debug, Default)]
pub(super) struct Scrub(Vec<SecretString>);

/// Minimum length of a value that is removed from texts. The clouds' credentials are longer.
/// Shorter values, such as the `true` of an encryption setting, are kept, because removing them
/// would garble the text.
const MIN_SECRET_LEN: usize = 8;
const MAX_TEXT_CHARS: usize = 500;

impl Scrub {
    pub(super) fn new(secrets: Vec<SecretString>) -> Self {
        Self(secrets)
    }

    pub(super) fn fault(&self, error: &(dyn Error + 'static)) -> StoreFault {
        let mut errors = std::iter::successors(Some(error), |&error| error.source());
        let text = without_body(&error.to_string());
        StoreFault {
            mistake: mistake(&text),
            text: self.clean(text),
            denied: errors.any(is_denied),
            unfit: UNFIT.iter().any(|shown| error.to_string().contains(shown)),
        }
    }

    fn clean(&self, mut text: String) -> String {
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

fn is_denied(error: &(dyn Error + 'static)) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    use std::io::ErrorKind;
    let by_store = error.downcast_ref::<object_store::Error>();
    let by_system = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    let text = error.to_string();
    matches!(by_store, Some(PermissionDenied { .. } | Unauthenticated { .. }))
        || matches!(by_system, Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
        // `object_store` has no error variant for a refused listing: the HTTP status is only in its
        // text.
        || ["401 Unauthorized", "403 Forbidden"].iter().any(|status| text.contains(status))
}

/// Returns the remedy if the store's answer shows a mistake in the settings of a bucket. The codes
/// are from S3's and Azure's lists of error codes. The link-local addresses that begin with
/// `169.254.` are those at which a host of AWS offers a role: `object_store` asks there if no key
/// is set.
fn mistake(text: &str) -> Option<&'static str> {
    const REDIRECTS: [&str; 2] = ["301 Moved", "redirect without LOCATION"];
    const REGION: &str = "; set AWS_REGION to the region of the bucket";
    const BUCKET: &str = "; create the bucket, or correct its name";
    const EXPIRED: &str = "; renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which belong together";
    const KEY: &str = "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a valid key, or run this on a host with a role and try again there; sharehook does not read AWS_PROFILE";
    let codes = [
        ("PermanentRedirect", REGION),
        ("AuthorizationHeaderMalformed", REGION),
        ("IllegalLocationConstraintException", REGION),
        ("NoSuchBucket", BUCKET),
        ("ContainerNotFound", BUCKET),
        ("ExpiredToken", EXPIRED),
        ("InvalidToken", EXPIRED),
        ("InvalidAccessKeyId", KEY),
        ("SignatureDoesNotMatch", KEY),
    ];
    let by_code = codes.iter().find(|(code, _)| text.contains(code));
    match by_code {
        Some((_, remedy)) => Some(*remedy),
        // `object_store` drops the error code of a redirect, so recognize the text of the error.
        None if text.contains("S3 error") && REDIRECTS.iter().any(|it| text.contains(it)) => {
            Some(REGION)
        }
        None if text.contains("S3 error") && text.contains("//169.254.") => Some(KEY),
        None => None,
    }
}

/// Keeps only `Code` and `Message` of an answer's XML. This is needed because S3 and Azure answer a
/// wrong signature with a copy of the request, as text and as a hex dump. The copied headers
/// include the session token.
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
        _ => format!("{head}(an answer that is not XML of the store, perhaps a proxy's)"),
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
    fn credentials_leave_the_text() {
        let fault = scrub().fault(&generic("signed by AKIDSECRETSECRET in us-east-1"));
        assert!(
            fault
                .to_string()
                .contains("signed by [secret] in us-east-1"),
            "{fault}"
        );
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
            text.ends_with("502: (an answer that is not XML of the store, perhaps a proxy's)"),
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

    #[test]
    fn a_mistake_in_the_settings_of_a_bucket_names_its_remedy() {
        let answer =
            |code: &str| format!("status code: 403 Forbidden: <Error><Code>{code}</Code></Error>");
        for (text, says) in [
            (
                "Server returned non-2xx status code: 301 Moved Permanently: ",
                "AWS_REGION",
            ),
            (&answer("AuthorizationHeaderMalformed"), "AWS_REGION"),
            (&answer("NoSuchBucket"), "create the bucket"),
            (&answer("InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
            (&answer("ExpiredToken"), "AWS_SESSION_TOKEN"),
            (
                "Error performing PUT http://169.254.169.254/latest/api/token",
                "AWS_PROFILE",
            ),
            (&answer("AccessDenied"), "list, read and create"),
            (
                "501 Not Implemented: NotImplemented: A header",
                "choose a place",
            ),
            (
                "Unable to extract metadata: ETag Header missing",
                "choose a place",
            ),
            (CONTENDED, "choose a place"),
        ] {
            let remedy = scrub().fault(&generic(text)).remedy("create");
            assert!(remedy.contains(says), "{text}: {remedy}");
        }
    }
}
