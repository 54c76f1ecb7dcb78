//! The state while the configuration is read: the file's path, the variables, and the mistakes
//! found so far.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use toml::Spanned;

use crate::domain::{Mark, Problem, Span};

use super::followed::{KEY_ID_VAR, KEY_VAR, in_variable};
use super::lenient::{MISSING, Unread};
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
    /// What was left out of the raw tables, because it could not be read.
    pub(super) unread: &'a Unread,
    /// The files and variables that the text names.
    pub(super) files: BTreeSet<String>,
    pub(super) variables: BTreeSet<String>,
}

impl Reader<'_> {
    pub(super) fn mark(&self, span: Range<usize>) -> Mark {
        Mark::of(self.file, self.text, span)
    }

    pub(super) fn problem<T>(
        &mut self,
        at: &Spanned<T>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        // A stand-in for a field that is missing: its absence is reported already.
        if at.span() == MISSING {
            return;
        }
        let mark = self.mark(at.span());
        self.problems.push(Problem::at(mark, problem, remedy));
    }

    /// A required setting that is not in the file, unless it is there and could not be read.
    pub(super) fn missing(&mut self, name: &str, remedy: &str) {
        if !self.unread.has(name) {
            let mark = Mark::whole(self.file);
            let problem = format!("{name} is missing");
            self.problems.push(Problem::at(mark, problem, remedy));
        }
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

    /// The secret of a sender or of a notification's target.
    pub(super) fn secret(&mut self, whose: &str, written: &Spanned<String>) -> Option<Secret> {
        self.secret_or_stand_in(whose, written, false)
    }

    /// A part of the key of an owner account.
    pub(super) fn cloud_key(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
    ) -> Option<SecretString> {
        let secret = self.secret_or_stand_in(whose, written, true);
        secret.map(|secret| secret.text)
    }

    /// The key of the process, if its variables name it in AWS. A key in the variables themselves is found
    /// with the other credentials of the process.
    pub(super) fn process_key(&mut self) -> Option<(SecretString, SecretString)> {
        in_variable(KEY_ID_VAR, self.vars).or(in_variable(KEY_VAR, self.vars))?;
        let mut part = |name: &str| match self.resolve(&format!("env:{name}"), true) {
            Ok(secret) => {
                let reference = secret.reference.clone();
                self.used.insert(reference, secret.clone());
                Some(secret.text)
            }
            Err(error) => {
                let problem = Problem::new(name, error.to_string(), error.remedy());
                self.problems.push(problem);
                None
            }
        };
        let (id, key) = (part(KEY_ID_VAR), part(KEY_VAR));
        id.zip(key)
    }

    fn secret_or_stand_in(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
        for_cloud: bool,
    ) -> Option<Secret> {
        match self.resolve(written.get_ref(), for_cloud) {
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

    fn resolve(&mut self, written: &str, for_cloud: bool) -> Result<Secret, SecretError> {
        let reference = SecretRef::parse(written)?;
        if let SecretRef::Env(name) = &reference {
            self.variables.insert(name.clone());
        }
        let reference = reference.followed(self.vars);
        let standing_in = |reference, text: &SecretString| Secret {
            reference,
            version: None,
            text: text.clone(),
        };
        match self.secrets {
            SecretValues::Configured(fetched) => reference.resolve(self.root, self.vars, fetched),
            SecretValues::Known(known) => match known.get(&reference) {
                Some(secret) => Ok(secret.clone()),
                None => Err(SecretError::NotAReference),
            },
            SecretValues::StandIn(text) => Ok(standing_in(reference, text)),
            SecretValues::OrStandIn {
                fetched,
                stand_in,
                calls_cloud,
            } => match reference.resolve(self.root, self.vars, fetched) {
                Err(_) if !(calls_cloud && for_cloud) => Ok(standing_in(reference, stand_in)),
                resolved => resolved,
            },
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

/// The text of a configuration file.
pub(super) fn text_of(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::new(
            path.display().to_string(),
            format!("cannot be read: {error}"),
            "name an existing file with --config or SHAREHOOK_CONFIG",
        )
    })
}
