//! Makes policy directories of a chosen size from the shipped sample.

use serde_json::{Value, json};
use sharehook::policy::{PolicyFiles, sample_files};

/// The first of the accounts that [`policy_files`] adds to the sample's group `staging`.
pub(crate) const FIRST_ACCOUNT: u64 = 700_000_200_000;

/// Returns the sample policies, and permits for other teams until there are `policies` policies.
/// Adds `group` accounts to the group `staging`.
pub(crate) fn policy_files(policies: usize, group: usize) -> PolicyFiles {
    let mut files = sample_files();
    let more: String = (0..policies.saturating_sub(13))
        .map(|n| {
            format!(
                "@id(\"team-{n}\")\npermit (principal in Share::Team::\"t{n}\", action == Share::Action::\"share\", \
                 resource in Share::ImageSet::\"golden\")\nwhen {{ context.account in Share::AccountGroup::\"g{n}\" }};\n"
            )
        })
        .collect();
    files.policies.push(("teams.cedar".to_owned(), more));
    let text = files.entities.take().expect("entities");
    let mut entities: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    entities.extend((0..group as u64).map(|n| {
        json!({"uid": {"type": "Share::Account", "id": (FIRST_ACCOUNT + n).to_string()}, "attrs": {},
            "parents": [{"type": "Share::AccountGroup", "id": "staging"}]})
    }));
    files.entities = Some(json!(entities).to_string());
    files
}
