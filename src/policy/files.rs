//! The texts of a policy directory. Checks their sizes and nesting, and computes their digest.
//! Reads no files.

use sha2::{Digest, Sha256};

use super::source_text::{self, Language};
use crate::domain::{Mark, Problem, Problems};

/// Maximum size of a file, in bytes. For comparison: 100 000 accounts in groups need 12 MiB, and
/// 5 000 policies need 1 MiB.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// The remedy for a file that is larger than [`MAX_FILE_BYTES`].
pub const SMALLER_FILES: &str =
    "a file has 16 MiB at most: divide policies among files, put accounts and images in groups";
const MAX_TOTAL_BYTES: usize = 48 << 20;

/// The name under which problems of the schema are reported.
pub(super) const SCHEMA: &str = "schema.cedarschema";
/// The name under which problems of the entities are reported.
pub(super) const ENTITIES: &str = "entities.json";

/// The texts of a policy directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyFiles {
    /// The text of `schema.cedarschema`. `None` selects the built-in schema.
    pub schema: Option<String>,
    /// The name and the text of every `*.cedar` file.
    pub policies: Vec<(String, String)>,
    /// The text of `entities.json`, which lists the members of the groups.
    pub entities: Option<String>,
    /// The text of the file `validated`. `bundle` writes the [`stamp`] of the texts that it has
    /// validated to this file.
    pub validated: Option<String>,
}

/// The name of the file in a bundle that contains the [`stamp`] of the validated texts.
pub const VALIDATED: &str = "validated";

/// Returns the built-in schema, which declares the types and attributes that policies can use.
pub fn builtin_schema() -> &'static str {
    include_str!("../../policy/schema.cedarschema")
}

/// Returns the sample policy directory, as it ships.
pub fn sample_files() -> PolicyFiles {
    let policies = [
        (
            "allow-list.cedar",
            include_str!("../../policy/allow-list.cedar"),
        ),
        (
            "approvals.cedar",
            include_str!("../../policy/approvals.cedar"),
        ),
        (
            "expiry-cap.cedar",
            include_str!("../../policy/expiry-cap.cedar"),
        ),
        (
            "four-eyes.cedar",
            include_str!("../../policy/four-eyes.cedar"),
        ),
        (
            "unsigned-sources.cedar",
            include_str!("../../policy/unsigned-sources.cedar"),
        ),
    ];
    PolicyFiles {
        schema: Some(builtin_schema().to_owned()),
        policies: policies
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        entities: Some(include_str!("../../policy/entities.json").to_owned()),
        validated: None,
    }
}

/// Returns the content of the file [`VALIDATED`] for texts with this digest. The content states
/// that this version of sharehook has validated the texts.
pub fn stamp(digest: &str) -> String {
    format!("sharehook {} sha256:{digest}\n", env!("CARGO_PKG_VERSION"))
}

impl PolicyFiles {
    /// Refuses texts that could exhaust memory or the parser's stack.
    pub(super) fn guard(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let schema = self
            .schema
            .iter()
            .map(|text| (SCHEMA, text, Language::Schema));
        let policies = self
            .policies
            .iter()
            .map(|(name, text)| (name.as_str(), text, Language::Policy));
        let entities = self
            .entities
            .iter()
            .map(|text| (ENTITIES, text, Language::Json));
        let mut together = 0_usize;
        for (name, text, language) in schema.chain(policies).chain(entities) {
            together = together.saturating_add(text.len());
            if text.len() > MAX_FILE_BYTES {
                let problem = format!("is too large: {} bytes", text.len());
                problems.push(Problem::at(Mark::whole(name), problem, SMALLER_FILES));
            } else if text.starts_with('\u{feff}') {
                let problem = "begins with a byte order mark (U+FEFF)";
                let remedy = "save the file as UTF-8 without a byte order mark";
                problems.push(Problem::at(Mark::whole(name), problem, remedy));
            } else if let Err(problem) = source_text::guard(name, text, language) {
                problems.push(problem);
            }
        }
        if together > MAX_TOTAL_BYTES {
            let problem = format!("is too large: {together} bytes in all files together");
            problems.push(Problem::new(
                "policy",
                problem,
                "the files have 48 MiB at most: put accounts and images in groups",
            ));
        }
        Problems::refuse_any(problems)
    }

    pub(super) fn has_builtin_schema(&self) -> bool {
        let schema = self.schema.as_deref();
        schema.is_none_or(|text| text == builtin_schema())
    }

    /// Whether this version of the program validated these texts when `bundle` packaged them.
    pub(super) fn were_validated(&self, digest: &str) -> bool {
        self.validated.as_deref() == Some(stamp(digest).as_str())
    }

    /// Returns the SHA-256 digest of the texts, in hex. Hashes the length before each text, so that
    /// moving text from one file to another changes the digest.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        part(self.schema.as_deref().unwrap_or(builtin_schema()));
        let mut policies: Vec<&(String, String)> = self.policies.iter().collect();
        policies.sort();
        part(&policies.len().to_string());
        for (name, text) in policies {
            part(name);
            part(text);
        }
        part(self.entities.as_deref().unwrap_or_default());
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_every_text_and_not_the_order_of_files() {
        let files = sample_files();
        let mut turned = files.clone();
        turned.policies.reverse();
        assert_eq!(files.digest(), turned.digest());
        assert_eq!(files.digest().len(), 64);

        let builtin = PolicyFiles {
            schema: None,
            ..files.clone()
        };
        assert_eq!(
            files.digest(),
            builtin.digest(),
            "the sample carries the built-in schema"
        );

        let mut changed: Vec<PolicyFiles> = vec![files.clone(); 4];
        changed[0].schema = Some(format!("{} ", builtin_schema()));
        changed[1].policies[0].1.push(' ');
        changed[2].policies[0].0.push('x');
        changed[3].entities = None;
        for other in changed {
            assert_ne!(files.digest(), other.digest());
        }
    }

    #[test]
    fn moving_text_from_one_file_to_the_next_changes_the_digest() {
        let of = |a: &str, b: &str| {
            let policies = vec![
                ("a.cedar".to_owned(), a.to_owned()),
                ("b.cedar".to_owned(), b.to_owned()),
            ];
            PolicyFiles {
                policies,
                ..PolicyFiles::default()
            }
            .digest()
        };
        assert_ne!(of("xy", "z"), of("x", "yz"));
    }

    #[test]
    fn a_byte_order_mark_is_refused_by_name() {
        let mut files = sample_files();
        files.entities = files.entities.map(|text| format!("\u{feff}{text}"));
        let problem = &files.guard().unwrap_err().0[0];
        assert_eq!(problem.field, "entities.json:1");
        assert!(problem.problem.contains("byte order mark"), "{problem}");
    }

    #[test]
    fn large_files_are_refused_by_name() {
        let mut files = sample_files();
        files
            .policies
            .push(("big.cedar".into(), " ".repeat(MAX_FILE_BYTES + 1)));
        files.entities = Some(" ".repeat(MAX_FILE_BYTES + 1));
        let problems = files.guard().unwrap_err();
        let fields: Vec<&str> = problems.0.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["big.cedar:1", "entities.json:1"]);

        let many = (0..4)
            .map(|n| (format!("{n}.cedar"), " ".repeat(MAX_FILE_BYTES)))
            .collect();
        let problems = PolicyFiles {
            policies: many,
            ..PolicyFiles::default()
        }
        .guard()
        .unwrap_err();
        assert_eq!(problems.0[0].field, "policy");
    }
}
