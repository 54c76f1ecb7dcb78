//! The cloud's two sites. They share no accounts, and differ in what their documents list.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::problem::{Problem, shown};

/// A site, as `cloud.site` names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The international site, `*.intl.tencentcloudapi.com`.
    #[default]
    Intl,
    /// The Chinese site, `*.tencentcloudapi.com`.
    Cn,
}

impl Site {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intl => "intl",
            Self::Cn => "cn",
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Site {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        match text {
            "intl" => Ok(Self::Intl),
            "cn" => Ok(Self::Cn),
            other => Err(Problem::new(
                "cloud.site",
                format!("{} is not a site", shown(other)),
                "write \"intl\" or \"cn\"",
            )),
        }
    }
}
