//! Reads the log's format and level from environment variables. A variable that is empty counts as
//! unset. One that cannot be read does too, and the log says so: a typing error must not disable
//! the log.

use tracing_subscriber::EnvFilter;

use crate::domain::spelled;

spelled! {
    /// The format of log lines.
    LogFormat {
        /// One JSON object per line, for a host's log service.
        Json = "json",
        /// Plain text, for people at a terminal.
        Text = "text",
    }
}

/// The words for levels: `tracing`'s, AWS's, and those of other programs.
const LEVELS: [(&str, &str); 8] = [
    ("off", "off"),
    ("fatal", "error"),
    ("error", "error"),
    ("warn", "warn"),
    ("warning", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
];

/// What the variables say about the log.
#[derive(Debug)]
pub struct LogSettings {
    pub(super) format: LogFormat,
    pub(super) filter: EnvFilter,
    /// What is wrong with the variables, for the log.
    pub(super) problems: Vec<String>,
}

impl LogSettings {
    /// `SHAREHOOK_LOG` or else `AWS_LAMBDA_LOG_FORMAT` names the format; without them it is JSON on
    /// a host, and text for commands. `RUST_LOG` or else `AWS_LAMBDA_LOG_LEVEL` is the filter;
    /// without them, `quiet` is.
    pub fn of<'v>(
        variable: impl Fn(&str) -> Option<&'v String>,
        on_host: bool,
        quiet: &str,
    ) -> Self {
        let mut problems = Vec::new();
        let mut wrong = |name: &str, value: &str, form: &str| {
            let text = format!("{name} = {value:?} counts as unset: it is not {form}");
            problems.push(text);
        };
        let usual = if on_host {
            LogFormat::Json
        } else {
            LogFormat::Text
        };
        let mut format = None;
        for name in ["SHAREHOOK_LOG", "AWS_LAMBDA_LOG_FORMAT"] {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
                continue;
            };
            // In upper or lower case: Lambda writes `JSON` and `Text`.
            match value.to_ascii_lowercase().parse() {
                Ok(read) => format = format.or(Some(read)),
                Err(_) => wrong(name, value, "`json` or `text`"),
            }
        }
        let mut filter = None;
        for name in ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"] {
            let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) else {
                continue;
            };
            match filter_of(value) {
                Some(read) => filter = filter.or(Some(read)),
                None => wrong(
                    name,
                    value,
                    "a level (off, error, warn, info, debug, trace)",
                ),
            }
        }
        Self {
            format: format.unwrap_or(usual),
            filter: filter.unwrap_or_else(|| EnvFilter::new(quiet)),
            problems,
        }
    }
}

/// Reads a filter with the syntax of `RUST_LOG`. Refuses a single word that is neither a level nor
/// a target of sharehook: as the name of a target it would disable all other lines.
fn filter_of(value: &str) -> Option<EnvFilter> {
    // The last two forms are `tracing`'s own: a level's number, and a span.
    let known = |directive: &str| {
        directive.starts_with("sharehook")
            || directive.starts_with('[')
            || directive.parse().is_ok_and(|level: u8| level <= 5)
    };
    let mut directives = Vec::new();
    for directive in value
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
    {
        let (target, level) = match directive.rsplit_once('=') {
            Some((target, level)) => (Some(target), level),
            None => (None, directive),
        };
        let word = LEVELS
            .iter()
            .find(|(word, _)| level.trim().eq_ignore_ascii_case(word));
        directives.push(match (target, word) {
            (None, Some((_, level))) => (*level).to_owned(),
            (Some(target), Some((_, level))) => format!("{}={level}", target.trim()),
            (None, None) if !known(directive) => return None,
            _ => directive.to_owned(),
        });
    }
    let some = !directives.is_empty();
    some.then(|| EnvFilter::try_new(directives.join(",")).ok())?
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(name: &str, value: &str) -> LogSettings {
        let vars = BTreeMap::from([(name, value.to_owned())]);
        LogSettings::of(|name| vars.get(name), true, "info")
    }

    #[test]
    fn a_typing_error_does_not_disable_the_log() {
        for (value, filter, problems) in [
            ("", "info", 0),
            (" ", "info", 0),
            ("WARNING", "warn", 0),
            ("Fatal", "error", 0),
            ("OFF", "off", 0),
            ("sharehook=Warning,error", "sharehook=warn,error", 0),
            ("sharehook::app", "sharehook::app=trace", 0),
            ("verbose", "info", 1),
            (",", "info", 1),
            ("info,hyper", "info", 1),
            ("sharehook=debgu", "info", 1),
        ] {
            for name in ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"] {
                let read = settings(name, value);
                assert_eq!(read.filter.to_string(), filter, "{name}={value}");
                assert_eq!(read.problems.len(), problems, "{:?}", read.problems);
            }
        }
    }

    #[test]
    fn an_unknown_format_is_named() {
        assert_eq!(settings("SHAREHOOK_LOG", "TEXT").format, LogFormat::Text);
        assert!(settings("SHAREHOOK_LOG", "").problems.is_empty());
        let read = settings("SHAREHOOK_LOG", "xml");
        assert_eq!(read.format, LogFormat::Json);
        let named = [r#"SHAREHOOK_LOG = "xml" counts as unset: it is not `json` or `text`"#];
        assert_eq!(read.problems, named);
    }
}
