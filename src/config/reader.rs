//! The [`Reader`], which holds the file's path, the variables and the mistakes found so far while
//! the configuration is read. Each of its methods reads one value and reports the value's mistakes.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, TrustAnchor, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;

use crate::domain::{Mark, Problem, Region, Span};

use super::bounded::{MAX_BYTES, plain, read_at_most};
use super::followed::{KEY_ID_VAR, KEY_VAR, TOKEN_VARS};
use super::lenient::{Unread, is_stand_in};
use super::secrets::{
    AwsSecrets, Secret, SecretError, SecretRef, SecretValues, Secrets, is_reference,
};
use super::valid::CloudKey;
use super::vars::Vars;

pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) root: &'a Path,
    pub(super) vars: &'a Vars,
    pub(super) secrets: SecretValues<'a>,
    pub(super) used: Secrets,
    pub(super) problems: Vec<Problem>,
    /// The values that the raw tables lack because they could not be read.
    pub(super) unread: &'a Unread,
    /// The files that the text names, except those with a secret.
    pub(super) files: BTreeSet<String>,
    /// The environment variables that the text names.
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
        if is_stand_in(&at.span()) {
            return;
        }
        let mark = self.mark(at.span());
        self.problems.push(Problem::at(mark, problem, remedy));
    }

    /// Reports a required setting that the file lacks. Does nothing if the file has the setting,
    /// but with a value that could not be read.
    pub(super) fn missing(&mut self, name: &str, remedy: &str) {
        if !self.unread.has(name) {
            let mark = Mark::whole(self.file);
            let problem = format!("{name} is missing");
            self.problems.push(Problem::at(mark, problem, remedy));
        }
    }

    /// Returns true if the file has no value for a setting. Returns false if the value could not be
    /// read, because that is already reported.
    pub(super) fn lacks<T>(&self, setting: &str, written: &Option<T>) -> bool {
        written.is_none() && !self.unread.has(setting)
    }

    pub(super) fn wrong_variable(&mut self, variable: &str, found: Problem) {
        self.problems.push(Problem {
            field: variable.to_owned(),
            ..found
        });
    }

    /// Reports a problem that a type found in a value. Puts `prefix`, such as `report.to: `, in
    /// front of the problem.
    pub(super) fn found<W>(&mut self, prefix: &str, at: &Spanned<W>, found: Problem) {
        self.problem(at, format!("{prefix}{}", found.problem), found.remedy);
    }

    /// Returns the value in `read`, or reports its problem at `at`.
    pub(super) fn read<T, W>(
        &mut self,
        prefix: &str,
        at: &Spanned<W>,
        read: Result<T, Problem>,
    ) -> Option<T> {
        read.map_err(|found| self.found(prefix, at, found)).ok()
    }

    pub(super) fn parsed<T: FromStr<Err = Problem>>(
        &mut self,
        prefix: &str,
        written: &Spanned<String>,
    ) -> Option<T> {
        self.read(prefix, written, written.get_ref().parse())
    }

    /// Parses a name and adds it to `names`. Reports it if `names` already has it. `all` is the
    /// plural for the message, as in "two sources have the name".
    pub(super) fn own_name<N: FromStr<Err = Problem> + Ord + Clone + Display>(
        &mut self,
        all: &str,
        written: &Spanned<String>,
        names: &mut BTreeSet<N>,
        remedy: &str,
    ) -> Option<N> {
        let name: N = self.parsed("", written)?;
        if !names.insert(name.clone()) {
            self.problem(written, format!("two {all} have the name {name}"), remedy);
            return None;
        }
        Some(name)
    }

    /// Parses a length of time, as in `2s`. `name` is the name of the setting.
    pub(super) fn span(&mut self, name: &str, written: &Spanned<String>) -> Option<Duration> {
        let span: Span = self.parsed(&format!("{name}: "), written)?;
        Some(Duration::from_secs(span.seconds().unsigned_abs()))
    }

    /// Returns all texts, and reports each one that is not a region.
    pub(super) fn regions(&mut self, written: &[Spanned<String>]) -> BTreeSet<String> {
        for region in written {
            self.parsed::<Region>("", region);
        }
        texts(written)
    }

    /// Reads a file that the configuration names. Returns its path and the result of `read`. `what`
    /// is the name of the field.
    pub(super) fn named_file<T>(
        &mut self,
        what: &str,
        written: &Spanned<String>,
        read: fn(&Path) -> io::Result<T>,
        remedy: &str,
    ) -> Option<(String, T)> {
        self.files.insert(written.get_ref().clone());
        let path = self.root.join(written.get_ref());
        let shown = path.display().to_string();
        match read(&path) {
            Ok(read) => Some((shown, read)),
            Err(error) => {
                let problem = format!("{what} {shown} cannot be read: {error}");
                self.problem(written, problem, remedy);
                None
            }
        }
    }

    pub(super) fn issuers_file(
        &mut self,
        written: &Option<Spanned<String>>,
    ) -> Vec<CertificateDer<'static>> {
        self.certificates("issuers", written, read_certificates)
    }

    pub(super) fn ca_file(
        &mut self,
        written: &Option<Spanned<String>>,
    ) -> Vec<TrustAnchor<'static>> {
        self.certificates("ca_file", written, read_roots)
    }

    /// Returns the certificates that `read` finds in a PEM file. Returns none if no file is named
    /// or the file cannot be read.
    fn certificates<T>(
        &mut self,
        what: &str,
        written: &Option<Spanned<String>>,
        read: fn(&Path) -> io::Result<Vec<T>>,
    ) -> Vec<T> {
        let remedy = "name a PEM file that contains certificates";
        let file = written.as_ref();
        let found = file.and_then(|file| self.named_file(what, file, read, remedy));
        found.map(|(_, found)| found).unwrap_or_default()
    }

    /// Returns a number, or the default if none is written. Reports a number outside `range`.
    pub(super) fn within<N: Copy + PartialOrd + Display>(
        &mut self,
        name: &str,
        written: &Option<Spanned<N>>,
        range: RangeInclusive<N>,
        default: N,
    ) -> N {
        match written {
            Some(number) if !range.contains(number.get_ref()) => {
                let (least, most) = (range.start(), range.end());
                self.problem(
                    number,
                    format!("{name} is not between {least} and {most}"),
                    format!("correct it, or remove it for the default of {default}"),
                );
                default
            }
            Some(number) => *number.get_ref(),
            None => default,
        }
    }

    /// Returns the secret that a field names. For the key of an owner account, use `cloud_key`.
    pub(super) fn secret(&mut self, whose: &str, written: &Spanned<String>) -> Option<Secret> {
        self.secret_or_stand_in(whose, written, false)
    }

    /// Returns the id or the secret of an owner account's key.
    pub(super) fn cloud_key(&mut self, whose: &str, written: &Spanned<String>) -> Option<Secret> {
        self.secret_or_stand_in(whose, written, true)
    }

    /// Returns the process's key for the cloud if at least one of its two variables contains a
    /// reference. If the variables contain the key itself, it is read later, with the other
    /// credentials of the process.
    pub(super) fn process_key(&mut self) -> Option<CloudKey> {
        self.refuse_token_references();
        let variables = [KEY_ID_VAR, KEY_VAR];
        let mut values = variables.iter().filter_map(|name| self.vars.get(*name));
        if !values.any(|value| is_reference(value)) {
            return None;
        }
        let mut part = |name: &str| match self.resolve(&format!("env:{name}"), true) {
            Ok(secret) => {
                let reference = secret.reference.clone();
                self.used.insert(reference, secret.clone());
                Some(secret)
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

    /// Reports each of the [`TOKEN_VARS`] whose value is a reference to a secret. These variables are
    /// used as they are, so the program would send the text of the reference as the token.
    fn refuse_token_references(&mut self) {
        let calls_cloud = match self.secrets {
            SecretValues::Configured(_) | SecretValues::Operator(_) => true,
            SecretValues::OrStandIn { calls_cloud, .. } => calls_cloud,
            SecretValues::Known(_) | SecretValues::StandIn(_) => false,
        };
        let vars = self.vars;
        let is_key = |name| set(vars, name).is_some();
        if !calls_cloud || ![KEY_ID_VAR, KEY_VAR].into_iter().any(is_key) {
            return;
        }
        for name in TOKEN_VARS {
            if vars.get(name).is_some_and(|value| is_reference(value)) {
                let error = SecretError::Reference(format!("env:{name}"));
                let remedy = "put the token itself there: this variable takes no reference";
                let problem = Problem::new(name, error.to_string(), remedy);
                self.problems.push(problem);
            }
        }
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
            SecretValues::Configured(fetched) | SecretValues::Operator(fetched) => {
                self.read_now(&reference, fetched)?.trimmed()
            }
            SecretValues::Known(known) => match known.get(&reference) {
                Some(secret) => secret.clone().trimmed(),
                None => Err(SecretError::NotAReference),
            },
            SecretValues::StandIn(text) => Ok(standing_in(reference, text)),
            SecretValues::OrStandIn {
                fetched,
                stand_in,
                calls_cloud,
            } => match self.read_now(&reference, fetched).and_then(Secret::trimmed) {
                Err(_) if !(calls_cloud && for_cloud) => Ok(standing_in(reference, stand_in)),
                resolved => resolved,
            },
        }
    }

    /// Reads a secret when the process starts or reloads its configuration. Refuses a pipe, because
    /// these reads have no time limit. The reads for a delivery have one.
    fn read_now(&self, reference: &SecretRef, fetched: &AwsSecrets) -> Result<Secret, SecretError> {
        if let SecretRef::File(path) = reference {
            let path = self.root.join(path);
            let shown = path.display().to_string();
            plain(&path).map_err(|error| SecretError::UnreadableFile(shown, error))?;
        }
        reference.resolve(self.root, self.vars, fetched)
    }

    pub(super) fn secret_text(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
    ) -> Option<SecretString> {
        self.secret(whose, written).map(|secret| secret.text)
    }

    /// As [`Reader::secret_text`], for a secret that is sent or received in a header.
    pub(super) fn header_secret(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
    ) -> Option<SecretString> {
        let secret = self.secret_text(whose, written)?;
        let fits = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !secret.expose_secret().bytes().all(fits) {
            if let Some(stand_in) = self.secrets.stand_in() {
                return Some(stand_in.clone());
            }
            let problem = format!("{whose}: the secret has characters that a header cannot have");
            let remedy = "use a secret of visible ASCII characters, without line ends";
            self.problem(written, problem, remedy);
            return None;
        }
        Some(secret)
    }
}

pub(super) fn texts<C: FromIterator<String>>(written: &[Spanned<String>]) -> C {
    written.iter().map(|text| text.get_ref().clone()).collect()
}

/// Returns the value of a variable that is set and not empty.
pub(super) fn set<'v>(vars: &'v Vars, name: &str) -> Option<&'v String> {
    vars.get(name).filter(|text| !text.is_empty())
}

/// Reads the certificates of a PEM file. Fails if the file contains none, for example if it is DER.
fn read_certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    plain(path)?;
    let pem = read_at_most(path, MAX_BYTES)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(found) if found.is_empty() => {
            Err(io::Error::other("it contains no certificate in PEM form"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(io::Error::other(format!("it is not a PEM file: {error}"))),
    }
}

/// Reads the certificates of a PEM file as roots of trust. Also fails if one cannot be parsed.
fn read_roots(path: &Path) -> io::Result<Vec<TrustAnchor<'static>>> {
    let root = |certificate| {
        let anchor = webpki::anchor_from_trusted_cert(certificate);
        anchor.map(|anchor| anchor.to_owned())
    };
    let found = read_certificates(path)?;
    let roots: Result<Vec<_>, _> = found.iter().map(root).collect();
    roots.map_err(|error| io::Error::other(format!("a certificate cannot be used: {error}")))
}
