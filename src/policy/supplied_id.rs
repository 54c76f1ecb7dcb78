//! Reads the ids of the entities that requests and the configuration supply. Refuses an id in a form
//! that no request can have, in `entities.json` and in policies: a rule for it would never apply.

use std::str::FromStr;

use cedar_policy::EntityUid;

use super::files::ENTITIES;
use super::rules::NamedEntity;
use super::schema::SchemaNames;
use crate::domain::{AccountId, ImageRef, PersonName, Problem, SourceName};

/// The id of an entity, in the form that requests have.
pub(super) enum SuppliedId<'a> {
    Account,
    Source,
    /// The name of the source, and the person's name.
    Requester(&'a str, PersonName),
    Image(ImageRef),
    /// A group, an action, or an entity of the operator's own type.
    Other,
}

impl<'a> SuppliedId<'a> {
    /// # Errors
    /// Fails if no request can have the entity.
    pub(super) fn read(id: &'a EntityUid, names: &SchemaNames) -> Result<Self, Problem> {
        let text = id.id().unescaped();
        let name = id.type_name();
        if *name == names.account {
            let digits = text
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '-')
                .collect::<String>();
            checked::<AccountId>(text, &digits).map(|_| Self::Account)
        } else if *name == names.source {
            text.parse::<SourceName>()?;
            Ok(Self::Source)
        } else if *name == names.requester {
            requester(id, text)
        } else if *name == names.image {
            checked(text, &text.trim().to_ascii_lowercase()).map(Self::Image)
        } else {
            Ok(Self::Other)
        }
    }
}

/// Parses an id. If it is wrong but `nearest` is not, the remedy is to write `nearest`.
fn checked<T: FromStr<Err = Problem>>(text: &str, nearest: &str) -> Result<T, Problem> {
    text.parse().map_err(|mut problem: Problem| {
        if nearest.parse::<T>().is_ok() {
            problem.remedy = format!("write {nearest:?}");
        }
        problem
    })
}

fn requester<'a>(id: &EntityUid, text: &'a str) -> Result<SuppliedId<'a>, Problem> {
    const REMEDY: &str =
        "write source/name, as in \"jira/alice@example.com\", an address in lower case";
    let refused = |problem: String, remedy: &str| Err(Problem::new(ENTITIES, problem, remedy));
    let Some((source, person)) = text.split_once('/') else {
        return refused(format!("{id} names no source"), REMEDY);
    };
    let normal = match person.parse::<PersonName>() {
        Ok(normal) => normal,
        Err(found) => return refused(format!("{id} {}", found.problem), &found.remedy),
    };
    if source.parse::<SourceName>().is_err() {
        return refused(format!("{id} can never be a requester"), REMEDY);
    }
    if normal.as_str() != person {
        let remedy = format!("write \"{source}/{}\"", normal.as_str());
        return refused(format!("{id} can never be a requester"), &remedy);
    }
    Ok(SuppliedId::Requester(source, normal))
}

impl NamedEntity {
    /// Refuses an entity that no request can have. A `forbid` for it would permit in silence.
    pub(super) fn refused(&self, names: &SchemaNames) -> Option<Problem> {
        let found = SuppliedId::read(&self.uid, names).err()?;
        let Self { uid, policy, mark } = self;
        let problem = format!("policy {policy} names {uid}, which no request can have");
        Some(Problem::at(mark.clone(), problem, found.remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::sample_files;
    use super::super::policy_set::PolicySet;

    #[test]
    fn a_policy_for_an_id_that_no_request_can_have_is_refused() {
        for (condition, remedy) in [
            (
                "principal == Share::Requester::\"native/Alice@example.com\"",
                Some("write \"native/alice@example.com\""),
            ),
            (
                "context.approvers.contains(Share::Requester::\"native/a@münchen.de\")",
                Some("write \"native/a@xn--mnchen-3ya.de\""),
            ),
            (
                "principal == Share::Requester::\"alice@example.com\"",
                Some("write source/name"),
            ),
            (
                "principal.source == Share::Source::\"Native\"",
                Some("use 1 to 64 lower-case"),
            ),
            (
                "context.account == Share::Account::\"7000-0016-4995\"",
                Some("write \"700000164995\""),
            ),
            (
                "resource == Share::Image::\"LHBP-6jc6l8yb \"",
                Some("write \"lhbp-6jc6l8yb\""),
            ),
            (
                "resource == Share::Image::\"base\"",
                Some("write a Lighthouse"),
            ),
            ("resource == Share::Image::\"img-unlisted\"", None),
            ("principal == Share::Requester::\"native/Alice\"", None),
            ("principal in Share::Team::\"Alice@Example.com\"", None),
        ] {
            let mut files = sample_files();
            let policy = format!(
                "@id(\"x\")\nforbid (principal, action == Share::Action::\"share\", resource)\nwhen {{ {condition} }};"
            );
            files.policies.push(("z.cedar".to_owned(), policy));
            let found = PolicySet::load(&files, &[], 1).err();
            let problem = found.as_ref().and_then(|found| found.0.first());
            assert_eq!(
                problem.is_some(),
                remedy.is_some(),
                "{condition}: {found:?}"
            );
            if let (Some(problem), Some(remedy)) = (problem, remedy) {
                assert_eq!(problem.field, "z.cedar:1");
                assert!(problem.remedy.starts_with(remedy), "{problem}");
            }
        }
    }
}
