//! Validated identifiers: account, image, blueprint, source, request identity. In: text. Out: a
//! newtype, or the problem with the text. The forms come from the API pages and the examples of the
//! SDKs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::{Problem, shown};

/// Implements `Display`, `AsRef<str>`, `TryFrom<String>` and `Into<String>` for a newtype over
/// `String` that has `FromStr`.
macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl $name {
            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = Problem;
            fn try_from(text: String) -> Result<Self, Problem> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}
pub(super) use text_newtype;

/// A root account's id (UIN): decimal digits without a leading zero, kept as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);
text_newtype!(AccountId);

impl FromStr for AccountId {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        if digits && !text.starts_with('0') && (5..=20).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "account",
            format!("{} is not an account id", shown(text)),
            "write the decimal id of a root account, 5 to 20 digits without a leading zero, as in \"700000164995\"",
        ))
    }
}

fn image_suffix(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (6..=16).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}

/// A Lighthouse custom image: `lhbp-` and 6 to 16 of `[0-9a-z]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlueprintId(String);
text_newtype!(BlueprintId);

impl FromStr for BlueprintId {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        if image_suffix(text, "lhbp-") {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "image",
            format!("{} is not a blueprint id", shown(text)),
            "write lhbp- and 6 to 16 lower-case letters or digits, as in \"lhbp-6jc6l8yb\"",
        ))
    }
}

/// A CVM custom image: `img-` and 6 to 16 of `[0-9a-z]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CvmImageId(String);
text_newtype!(CvmImageId);

impl FromStr for CvmImageId {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        if image_suffix(text, "img-") {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "image",
            format!("{} is not a CVM image id", shown(text)),
            "write img- and 6 to 16 lower-case letters or digits, as in \"img-6pb6lrmy\"",
        ))
    }
}

/// Either kind of image; the prefix decides which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageRef {
    /// A Lighthouse custom image, `lhbp-…`.
    Blueprint(BlueprintId),
    /// A CVM custom image, `img-…`.
    Cvm(CvmImageId),
}

impl ImageRef {
    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Blueprint(id) => id.as_str(),
            Self::Cvm(id) => id.as_str(),
        }
    }

    /// `blueprint` or `cvm`: the policy's attribute `kind`.
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

impl TryFrom<String> for ImageRef {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(id: ImageRef) -> String {
        id.as_str().to_owned()
    }
}

/// The name of a configured source: it becomes part of a URL, of identities and of policy entities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);
text_newtype!(SourceName);

impl FromStr for SourceName {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "name",
            format!("{} is not a source name", shown(text)),
            "use 1 to 64 lower-case letters, digits, - or _",
        ))
    }
}

/// The name of a configured `[[notify]]`: it becomes part of webhook ids and metric labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotifyName(String);
text_newtype!(NotifyName);

impl FromStr for NotifyName {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        match text.parse::<SourceName>() {
            Ok(SourceName(name)) => Ok(Self(name)),
            Err(Problem { remedy, .. }) => Err(Problem::new(
                "name",
                format!("{} is not a name", shown(text)),
                remedy,
            )),
        }
    }
}

/// The identity of a request: the source that authenticated it and its id there. Requests with the
/// same identity act only once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The source that authenticated it.
    pub source: SourceName,
    /// The request's own id, otherwise the delivery's, otherwise a digest of the content.
    pub id: String,
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
