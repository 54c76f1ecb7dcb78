//! Reads all `*.cedar` texts into one validated policy set, in which each policy has its `@id`.
//! Takes the texts and the schema; returns Cedar's policy set, or every problem with file and line.

use std::collections::BTreeMap;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    EntityUid, Policy, PolicyId, Schema, ValidationMode, ValidationWarning, Validator,
};

use super::schema::cedar_problem;
use super::source_text;
use crate::domain::{Danger, Mark, Problem, Problems, SourceName, Warning, mixes_scripts, shown};

/// The policy id that is recorded for a revocation after an expiry. No policy may use it as its
/// `@id`.
pub(super) const EXPIRY: &str = "expiry";

/// The policies of a directory, and what was found when they were read.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) set: cedar_policy::PolicySet,
    pub(super) warnings: Vec<Warning>,
    /// Every entity that the policies name, each with one of the policies that name it.
    pub(super) named: Vec<NamedEntity>,
    /// The place of each policy, by its `@id`.
    pub(super) marks: BTreeMap<String, Mark>,
}

/// Returns an annotation of a policy. Avoids Cedar's own look-up, which runs its parser on the key.
pub(super) fn annotation<'a>(policy: &'a Policy, key: &str) -> Option<&'a str> {
    let mut all = policy.annotations();
    all.find_map(|(name, value)| (name == key).then_some(value))
}

#[derive(Debug)]
pub(super) struct NamedEntity {
    pub(super) uid: EntityUid,
    /// A policy that names the entity. `mark` is the place of this policy.
    pub(super) policy: PolicyId,
    pub(super) mark: Mark,
}

struct Place<'a> {
    text: &'a str,
    offset: usize,
    mark: Mark,
}

impl<'a> Place<'a> {
    /// Returns the places of the policies at `offsets`, which must be in ascending order. Counts
    /// the lines in one pass, instead of from the start of the text for each policy.
    fn all(file: &'a str, text: &'a str, offsets: Vec<usize>) -> impl Iterator<Item = Self> {
        // The offset of the current line, and the number of lines before it.
        let (mut start, mut before) = (0, 0);
        offsets.into_iter().map(move |offset| {
            let passed = text.get(start..offset).unwrap_or_default();
            if let Some(last) = passed.rfind('\n') {
                start += last + 1;
                before += passed.matches('\n').count();
            }
            let at = offset - start;
            let mut mark = Mark::of(file, text.get(start..).unwrap_or_default(), at..at);
            mark.line += before;
            Place { text, offset, mark }
        })
    }

    fn problem(&self, problem: impl Into<String>, remedy: &str) -> Problem {
        Problem::at(self.mark.clone(), problem, remedy)
    }
}

/// Parses every file, and validates them together against a schema if one is given.
///
/// # Errors
/// Fails if a text does not parse, if a policy is a template, if strict validation refuses a
/// policy, or if an `@id` is missing, repeated, reserved or not of the right form.
pub(super) fn read(files: &[(String, String)], schema: Option<&Schema>) -> Result<Rules, Problems> {
    let mut sites: BTreeMap<PolicyId, Place<'_>> = BTreeMap::new();
    let mut set = cedar_policy::PolicySet::new();
    let mut problems = Vec::new();
    for (file, text) in files {
        match parse(file, text) {
            Ok(policies) => {
                for (policy, site) in policies {
                    problems.extend(add(&mut set, &mut sites, &policy, site).err());
                }
            }
            Err(found) => problems.extend(found.0),
        }
    }
    let mut warnings = Vec::new();
    if let Some(schema) = schema {
        validate(&set, &sites, schema, &mut problems, &mut warnings);
    }
    if !problems.is_empty() {
        let place = |problem: &Problem| {
            let mark = problem.mark.as_deref();
            mark.map(|mark| (mark.file.clone(), mark.line, mark.column))
        };
        problems.sort_by_key(place);
        problems.dedup();
        return Err(Problems(problems));
    }
    if sites.is_empty() {
        let remedy = "write a *.cedar file with a permit in it";
        let problem = Problem::new("policy", "has no policy: every request is refused", remedy);
        warnings.push(Danger::NoPermit.at(problem));
    }
    let named = named(&set, &sites);
    let marks = sites
        .iter()
        .map(|(id, site)| (id.to_string(), site.mark.clone()));
    Ok(Rules {
        marks: marks.collect(),
        set,
        warnings,
        named,
    })
}

/// Validates the policies strictly, and adds the findings to `problems` and `warnings`.
fn validate(
    set: &cedar_policy::PolicySet,
    sites: &BTreeMap<PolicyId, Place<'_>>,
    schema: &Schema,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let findings = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    let problem_of = |id: &PolicyId, found: DetailedError| match sites.get(id) {
        Some(site) => {
            let mut problem = cedar_problem(&found, &site.mark.file, site.text, site.offset);
            let cedars = format!("for policy `{id}`, ");
            if let Some(what) = problem.problem.strip_prefix(&cedars) {
                problem.problem = format!("policy {id}: {what}");
            }
            problem
        }
        None => cedar_problem(&found, "policy", "", 0),
    };
    let errors = findings.validation_errors();
    problems.extend(errors.map(|error| problem_of(error.policy_id(), DetailedError::from(error))));
    let odd = findings.validation_warnings();
    let odd = odd.filter(|warning| !names_in_usual_scripts(warning));
    warnings.extend(odd.map(|warning| {
        let problem = problem_of(warning.policy_id(), DetailedError::from(warning));
        Danger::OddPolicy.at(problem)
    }));
}

/// Whether the warning is about a usual mixture of scripts: Chinese next to Latin, as in
/// `native/王小明` or `镜像v2`, or a person's name in another script after the name of its source. Cedar
/// warns about both as mixed scripts. Its warning contains the name only as part of the message, so
/// the name is extracted from there.
fn names_in_usual_scripts(warning: &ValidationWarning) -> bool {
    use ValidationWarning::{MixedScriptIdentifier, MixedScriptString};
    if !matches!(warning, MixedScriptIdentifier(_) | MixedScriptString(_)) {
        return false;
    }
    let text = warning.to_string();
    let quoted = text
        .split_once("`, ")
        .and_then(|(_, rest)| rest.split_once('`'));
    let name = quoted.and_then(|(_, rest)| rest.strip_suffix("` contains mixed scripts"));
    name.is_some_and(|name| {
        let person = match name.split_once('/') {
            Some((source, person)) if source.parse::<SourceName>().is_ok() => person,
            _ => name,
        };
        !mixes_scripts(person)
    })
}

/// Returns the policies of one file in their order, each with its place.
fn parse<'a>(file: &'a str, text: &'a str) -> Result<Vec<(Policy, Place<'a>)>, Problems> {
    let parsed: cedar_policy::PolicySet =
        text.parse().map_err(|errors: cedar_policy::ParseErrors| {
            let problem = |error| cedar_problem(&DetailedError::from(error), file, text, 0);
            Problems(errors.iter().map(problem).collect())
        })?;
    if parsed.num_of_templates() > 0 {
        let remedy = "write the entity in place of ?principal and ?resource";
        let slot = text
            .find("?principal")
            .or(text.find("?resource"))
            .unwrap_or(0);
        let mark = Mark::of(file, text, slot..slot + "?resource".len());
        return Err(Problem::at(mark, "a policy is a template", remedy).into());
    }
    let policies = in_order(&parsed);
    let texts: Vec<String> = policies
        .iter()
        .map(|policy| policy.to_cedar().unwrap_or_default())
        .collect();
    let offsets = source_text::offsets(text, texts.iter().map(String::as_str));
    Ok(policies
        .into_iter()
        .zip(Place::all(file, text, offsets))
        .collect())
}

/// Returns the policies of a text in their order. Cedar names them `policy0`, `policy1` …
pub(super) fn in_order(set: &cedar_policy::PolicySet) -> Vec<Policy> {
    let number = |policy: &Policy| {
        AsRef::<str>::as_ref(policy.id())
            .trim_start_matches("policy")
            .parse::<usize>()
            .unwrap_or_default()
    };
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(number);
    policies
}

fn add<'a>(
    set: &mut cedar_policy::PolicySet,
    sites: &mut BTreeMap<PolicyId, Place<'a>>,
    policy: &Policy,
    site: Place<'a>,
) -> Result<(), Problem> {
    const NAME_IT: &str =
        "write @id(\"a-unique-name\") before the policy; answers and records use this name";
    let Some(id) = annotation(policy, "id").filter(|id| !id.is_empty()) else {
        return Err(site.problem("a policy has no @id", NAME_IT));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.len() > 100 || !id.chars().all(plain) {
        let problem = format!("{} is not usable as an @id", shown(id));
        return Err(site.problem(problem, "use 1 to 100 letters, digits, - _ or ."));
    }
    if id == EXPIRY {
        return Err(site.problem(
            "the @id \"expiry\" is taken: it marks sharehook's own revocations",
            NAME_IT,
        ));
    }
    let id = PolicyId::new(id);
    if let Some(first) = sites.get(&id) {
        let (name, first): (&str, _) = (id.as_ref(), &first.mark);
        let problem = format!("the @id {name:?} is already used at {first}");
        return Err(site.problem(problem, NAME_IT));
    }
    set.add(policy.new_id(id.clone()))
        .map_err(|error| site.problem(error.to_string(), NAME_IT))?;
    sites.insert(id, site);
    Ok(())
}

fn named(set: &cedar_policy::PolicySet, sites: &BTreeMap<PolicyId, Place<'_>>) -> Vec<NamedEntity> {
    let mut first: BTreeMap<String, NamedEntity> = BTreeMap::new();
    for policy in set.policies() {
        let Some(site) = sites.get(policy.id()) else {
            continue;
        };
        for uid in policy.entity_literals() {
            first.entry(uid.to_string()).or_insert_with(|| NamedEntity {
                uid,
                policy: policy.id().clone(),
                mark: site.mark.clone(),
            });
        }
    }
    first.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::sample_files;
    use super::super::schema::SchemaNames;
    use super::*;

    fn checked(files: &[(String, String)]) -> Result<Rules, Problems> {
        let names = SchemaNames::new().unwrap();
        read(files, Some(&names.schema(None).unwrap()))
    }

    fn read_texts(texts: &[(&str, &str)]) -> Result<Rules, Problems> {
        let files: Vec<(String, String)> = texts
            .iter()
            .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
            .collect();
        checked(&files)
    }

    const ANY: &str = "permit (principal, action, resource);";

    #[test]
    fn the_samples_validate_without_a_warning() {
        let rules = checked(&sample_files().policies).unwrap();
        assert_eq!(rules.set.policies().count(), 13);
        assert!(rules.warnings.is_empty(), "{:?}", rules.warnings);
        let groups: Vec<String> = rules
            .named
            .iter()
            .map(|named| named.uid.to_string())
            .filter(|uid| !uid.contains("::Action::"))
            .collect();
        assert_eq!(groups.len(), 9, "{groups:?}");
    }

    #[test]
    fn refusals_name_file_and_line() {
        let same = format!("@id(\"x\") {ANY}\n\n@id(\"x\")\n{ANY}");
        let type_error =
            "@id(\"x\")\npermit (principal, action, resource)\nwhen { resource.kind > 3 };";
        let attribute = "@id(\"x\")\npermit (principal, action == Share::Action::\"share\", resource)\nwhen { context.acount in Share::AccountGroup::\"s\" };";
        let optional = "@id(\"x\")\npermit (principal, action, resource)\nwhen {\n  resource.name == \"base\" };";
        let entity = "@id(\"x\")\npermit (principal in Share::Taem::\"p\", action, resource);";
        let template = format!(
            "@id(\"x\") {}",
            ANY.replace("principal,", "principal == ?principal,")
        );
        for (text, field, says) in [
            (ANY, "a.cedar:1", "no @id"),
            (&format!("// {ANY}\n\n{ANY}"), "a.cedar:3", "no @id"),
            (&format!("@id {ANY}"), "a.cedar:1", "no @id"),
            (&format!("@id(\"a b\") {ANY}"), "a.cedar:1", "not usable"),
            (&format!("@id(\"expiry\") {ANY}"), "a.cedar:1", "taken"),
            (&same, "a.cedar:3", "used at a.cedar:1"),
            (
                "@id(\"x\")\npermit (principal, action resource);",
                "a.cedar:2",
                "unexpected token",
            ),
            (type_error, "a.cedar:3", "unexpected type"),
            (attribute, "a.cedar:3", "acount"),
            (optional, "a.cedar:4", "optional attribute"),
            (entity, "a.cedar:2", "Share::Taem"),
            (&template, "a.cedar:1", "template"),
        ] {
            let problems = read_texts(&[("a.cedar", text)]).unwrap_err();
            assert_eq!(problems.0[0].field, field, "{text}: {problems}");
            assert!(problems.0[0].problem.contains(says), "{text}: {problems}");
        }
    }

    #[test]
    fn an_id_is_unique_over_all_files() {
        let text = format!("@id(\"x\") {ANY}");
        let problems = read_texts(&[("a.cedar", &text), ("b.cedar", &text)]).unwrap_err();
        assert_eq!(problems.0[0].field, "b.cedar:1");
        assert!(problems.0[0].problem.contains("a.cedar:1"), "{problems}");
    }

    #[test]
    fn all_problems_are_reported_together() {
        let wrong =
            "@id(\"y\") permit (principal, action, resource) when { resource.knid == \"cvm\" };";
        let problems =
            read_texts(&[("a.cedar", ANY), ("b.cedar", wrong), ("c.cedar", "permit")]).unwrap_err();
        let fields: Vec<&str> = problems.0.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            ["a.cedar:1", "b.cedar:1", "c.cedar:1"],
            "{problems}"
        );
    }

    #[test]
    fn a_rule_that_can_never_apply_is_a_warning() {
        let never = "@id(\"x\") permit (principal, action, resource) when { resource.kind == \"a\" && false };";
        let rules = read_texts(&[("a.cedar", never)]).unwrap();
        assert!(
            rules
                .warnings
                .iter()
                .any(|w| w.problem.field == "a.cedar:1"),
            "{:?}",
            rules.warnings
        );
        assert_eq!(
            read_texts(&[]).unwrap().warnings[0].danger,
            Danger::NoPermit
        );
    }

    #[test]
    fn only_look_alikes_are_mixed_scripts() {
        for (id, odd) in [
            ("native/王小明", false),
            ("native/张三 ops", false),
            ("jira/алиса@пример.рф", false),
            ("native/\u{430}lice", true),
            ("prod-\u{430}", true),
        ] {
            let scope = format!("principal == Share::Requester::\"{id}\", action, resource");
            let text = format!("@id(\"x\") permit ({scope});");
            let warnings = read_texts(&[("a.cedar", &text)]).unwrap().warnings;
            assert_eq!(!warnings.is_empty(), odd, "{id}: {warnings:?}");
        }
        let name = "@id(\"x\") permit (principal, action, resource) when { resource has name && resource.name == \"镜像v2\" };";
        let warnings = read_texts(&[("a.cedar", name)]).unwrap().warnings;
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
