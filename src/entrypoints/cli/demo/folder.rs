//! Writes the demo's folder: configuration, secrets and policy. Also finds the first entry of a
//! folder, so that the demo can change a record.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Site;
use crate::entrypoints::cli::Failure;
use crate::policy::sample_files;

pub(super) fn write_folder(
    folder: &Path,
    site: Site,
    url: &str,
    secret: &str,
) -> std::io::Result<()> {
    let policy = folder.join("policy");
    fs::create_dir_all(&policy)?;
    let files = sample_files();
    for (name, text) in files.policies {
        fs::write(policy.join(name), text)?;
    }
    fs::write(
        policy.join("schema.cedarschema"),
        files.schema.unwrap_or_default(),
    )?;
    fs::write(
        policy.join("entities.json"),
        files.entities.unwrap_or_default(),
    )?;
    fs::write(folder.join("jira.secret"), secret)?;
    fs::write(folder.join("jira.login"), "bot@example.com:demo")?;
    let text = format!(
        "journal = \"file:journal\"\npolicy = \"policy\"\n\n[cloud]\nsite = \"{site}\"\nendpoint = \"{url}\"\n\n\
         [[source]]\nname = \"jira\"\nscheme = \"jira\"\nsecrets = [\"file:jira.secret\"]\nmap = \"jira\"\n\n\
         [[notify]]\nname = \"jira-comment\"\npreset = \"jira\"\nurl = \"{url}/inbox\"\n\
         auth = {{ basic = \"file:jira.login\" }}\ncontact = \"the platform team\"\n"
    );
    fs::write(folder.join("sharehook.toml"), text)
}

pub(super) fn first_entry(folder: &Path) -> Result<PathBuf, Failure> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|e| Failure::Failed(format!("{}: {e}", folder.display())))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .collect();
    entries.sort();
    entries
        .into_iter()
        .next()
        .ok_or_else(|| Failure::Failed(format!("{} is empty", folder.display())))
}
