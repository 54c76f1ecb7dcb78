//! Enums whose variants each have one spelling: in text, in answers and in records.

use super::problem::{Problem, shown};

/// The problem with a text that is none of these names.
pub(crate) fn unknown_name(text: &str, names: &[&str]) -> Problem {
    Problem::new(
        "name",
        format!("{} is not known", shown(text)),
        format!("write one of {}", names.join(", ")),
    )
}

/// Declares such an enum, with the list of all variants and the spelling of each.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As answers and records spell it.
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
