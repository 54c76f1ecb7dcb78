//! The state while the configuration is read: the file's path, the variables, and the mistakes
//! found so far.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use toml::Spanned;

use crate::domain::{Problem, Span};

use super::secrets::{Secret, SecretError, SecretRef, SecretValues, Secrets};
use super::vars::Vars;

pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) root: &'a Path,
    pub(super) vars: &'a Vars,
    pub(super) secrets: SecretValues<'a>,
    /// The secrets that were read.
    pub(super) used: Secrets,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, line_of(self.text, offset))
    }

    pub(super) fn problem<T>(
        &mut self,
        at: &Spanned<T>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = self.place(at.span().start);
        self.problems.push(Problem::new(place, problem, remedy));
    }

    /// A length of time as in `2s`; `name` is the setting's.
    pub(super) fn span(&mut self, name: &str, written: &Spanned<String>) -> Option<Duration> {
        match written.get_ref().parse::<Span>() {
            Ok(span) => Some(Duration::from_secs(span.seconds().unsigned_abs())),
            Err(Problem {
                problem, remedy, ..
            }) => {
                self.problem(written, format!("{name}: {problem}"), remedy);
                None
            }
        }
    }

    /// A number within a range, or its default.
    pub(super) fn within<N: Copy + PartialOrd + Display>(
        &mut self,
        name: &str,
        written: Option<&Spanned<N>>,
        range: RangeInclusive<N>,
        default: N,
    ) -> N {
        match written {
            Some(number) if !range.contains(number.get_ref()) => {
                let (least, most) = (range.start(), range.end());
                self.problem(
                    number,
                    format!("{name} is not within {least} to {most}"),
                    format!("correct it, or remove it for the default of {default}"),
                );
                default
            }
            Some(number) => *number.get_ref(),
            None => default,
        }
    }

    /// The secret that a reference names.
    pub(super) fn secret(&mut self, whose: &str, written: &Spanned<String>) -> Option<Secret> {
        match self.resolve(written.get_ref()) {
            Ok(secret) => {
                let reference = secret.reference.clone();
                self.used.insert(reference, secret.clone());
                Some(secret)
            }
            Err(error) => {
                self.problem(written, format!("{whose}: {error}"), error.remedy());
                None
            }
        }
    }

    fn resolve(&self, written: &str) -> Result<Secret, SecretError> {
        let reference = SecretRef::parse(written)?;
        match self.secrets {
            SecretValues::Configured(fetched) => reference.resolve(self.root, self.vars, fetched),
            SecretValues::Known(known) => match known.get(&reference) {
                Some(secret) => Ok(secret.clone()),
                None => Err(SecretError::NotAReference),
            },
            SecretValues::StandIn(text) => Ok(Secret {
                reference,
                version: None,
                text: text.clone(),
            }),
        }
    }

    /// The value of the secret that a reference names.
    pub(super) fn secret_text(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
    ) -> Option<SecretString> {
        self.secret(whose, written).map(|secret| secret.text)
    }
}

/// The 1-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}
