//! A macro that declares an enum whose variants have the same name everywhere: in messages, answers
//! and records.

use super::problem::{Problem, shown};

pub(crate) fn unknown_name(text: &str, names: &[&str]) -> Problem {
    Problem::new(
        "name",
        format!("{} is not known", shown(text)),
        format!("write one of {}", names.join(", ")),
    )
}

/// Declares an enum with a spelling for each variant. Generates the list of all variants, the
/// conversions from and to text, and the names for serde.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// All variants, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the variant's name as it is written in answers and records.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::domain::Problem;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(crate::domain::unknown_name(text, &[$($text),+])),
                }
            }
        }
    };
}
pub(crate) use spelled;
