//! Validated identifiers of accounts, images and sources, which are parsed from text into newtypes,
//! and the identity of a request. The formats of the cloud's ids come from its API documentation
//! and from the examples of its SDKs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::problem::{Problem, shown};

/// Declares an identifier: a newtype over `String` that can only be parsed from a text for which
/// `$is_valid` returns true. For any other text, parsing returns a problem of `$field`, whose
/// message is the quoted text followed by `$problem`.
macro_rules! identifier {
    (
        $(#[$doc:meta])*
        $name:ident, $is_valid:expr, $field:literal, $problem:literal, $remedy:literal $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde_with::DeserializeFromStr, serde_with::SerializeDisplay)]
        pub struct $name(String);

        impl $name {
            /// Returns the identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Problem;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $is_valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                let problem = format!("{} {}", $crate::domain::shown(text), $problem);
                Err($crate::domain::Problem::new($field, problem, $remedy))
            }
        }
    };
}
pub(crate) use identifier;

identifier! {
    /// A root account's id (UIN): decimal digits without a leading zero, kept as text.
    AccountId,
    |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits && !text.starts_with('0') && (5..=20).contains(&text.len())
    },
    "account",
    "is not an account id",
    "write the decimal id of a root account, 5 to 20 digits without a leading zero, as in \"700000164995\"",
}

identifier! {
    /// A Lighthouse custom image: `lhbp-` and 6 to 16 of `[0-9a-z]`.
    BlueprintId,
    |text| image_suffix(text, "lhbp-"),
    "image",
    "is not a blueprint id",
    "write lhbp- and 6 to 16 lower-case letters or digits, as in \"lhbp-6jc6l8yb\"",
}

identifier! {
    /// A CVM custom image: `img-` and 6 to 16 of `[0-9a-z]`.
    CvmImageId,
    |text| image_suffix(text, "img-"),
    "image",
    "is not a CVM image id",
    "write img- and 6 to 16 lower-case letters or digits, as in \"img-6pb6lrmy\"",
}

fn image_suffix(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (6..=16).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}

/// An image of Lighthouse or CVM. The prefix of the id, `lhbp-` or `img-`, decides which.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, DeserializeFromStr, SerializeDisplay,
)]
pub enum ImageRef {
    /// A Lighthouse custom image, `lhbp-…`.
    Blueprint(BlueprintId),
    /// A CVM custom image, `img-…`.
    Cvm(CvmImageId),
}

impl ImageRef {
    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Blueprint(id) => id.as_str(),
            Self::Cvm(id) => id.as_str(),
        }
    }

    /// Returns `blueprint` or `cvm`. Policies see this value as the attribute `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Blueprint(_) => "blueprint",
            Self::Cvm(_) => "cvm",
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ImageRef {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.starts_with("lhbp-") {
            return text.parse().map(Self::Blueprint);
        }
        if text.starts_with("img-") {
            return text.parse().map(Self::Cvm);
        }
        Err(Problem::new(
            "image",
            format!("{} is not an image id", shown(text)),
            "write a Lighthouse blueprint as \"lhbp-6jc6l8yb\" or a CVM image as \"img-6pb6lrmy\"",
        ))
    }
}

identifier! {
    /// The name of a configured source. It appears in URLs, identities and policy entities.
    SourceName,
    is_name,
    "name",
    "is not a source name",
    "use 1 to 64 lower-case letters, digits, - or _",
}

identifier! {
    /// The name of a configured `[[notify]]`. It appears in webhook ids and metric labels.
    NotifyName,
    is_name,
    "name",
    "is not a name of a notification target",
    "use 1 to 64 lower-case letters, digits, - or _",
}

fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}

/// The identity of a request: the source that authenticated it, and its id within that source. If
/// several requests have the same identity, only one of them is carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The source that authenticated the request.
    pub source: SourceName,
    /// The id that the request names. If it names none, the id of the delivery; if the delivery has
    /// none either, the digest of the request's content.
    pub id: String,
}

impl Identity {
    /// Creates the identity of the request `id` of `source`.
    pub fn new(source: &SourceName, id: impl Into<String>) -> Self {
        Self {
            source: source.clone(),
            id: id.into(),
        }
    }

    /// Returns the problem that another request with different content already has this identity.
    pub fn used_before(&self) -> Problem {
        Problem::new(
            "id",
            format!("{} was used before, for other content", self.id),
            "send changed content under a new id; the recorded request is not changed",
        )
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_decimal_text() {
        for good in ["909619400", "1038493875", "700000164995"] {
            assert_eq!(good.parse::<AccountId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "abc",
            "0123456",
            "70000016499x",
            "７00000164995",
            "1234",
            "-70000016",
            "1e10000",
            " 909619400",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn images_are_distinguished_by_prefix() {
        assert_eq!(
            "lhbp-6jc6l8yb".parse::<ImageRef>().unwrap().kind(),
            "blueprint"
        );
        assert_eq!("img-dw8adx".parse::<ImageRef>().unwrap().kind(), "cvm");
        for bad in [
            "",
            "img-",
            "img-UPPER123",
            "lhbp-6jc6l8y/",
            "ami-12345678",
            "img-12345678901234567",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_long_value_is_shortened_in_its_error() {
        let text = "9".repeat(10_000);
        let problem = text.parse::<AccountId>().unwrap_err();
        assert!(problem.problem.len() < 100, "{problem}");
    }
}
