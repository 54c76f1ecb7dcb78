//! Checks whether the deployment files beside the configuration, such as `Dockerfile`, provide what
//! the configuration needs. Takes a [`Config`] and returns warnings. The files are searched as
//! text. Their formats are not parsed.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use crate::config::Config;
use crate::domain::{Danger, Mark, Problem, Warning};

/// What a deployment file must provide.
enum Needs {
    /// A mention of every variable that the configuration reads.
    Variables,
    /// Copies of the configuration, the policy folder, and the files that the configuration names.
    Files,
    /// A folder for each Azure queue that a source trusts.
    Functions,
    /// The permission to be executed.
    Mode,
}

const FILES: [(&str, Needs); 5] = [
    ("template.yaml", Needs::Variables),
    ("service.yaml", Needs::Variables),
    ("Dockerfile", Needs::Files),
    ("host.json", Needs::Functions),
    ("scf_bootstrap", Needs::Mode),
];

/// Checks the files beside `sharehook.toml`. A configuration file with another name is skipped,
/// because the deployment files belong to the configuration that is deployed.
pub(super) fn warnings(config: &Config) -> Vec<Warning> {
    if !Path::new(&config.file).ends_with("sharehook.toml") {
        return Vec::new();
    }
    let folder = Path::new(&config.file).parent().unwrap_or(Path::new(""));
    let mut warnings = Vec::new();
    for (name, needs) in &FILES {
        let path = folder.join(name);
        let missing = match (fs::read_to_string(&path), needs) {
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => continue,
            (Err(error), _) => vec![(
                format!("cannot be read, so it was not checked: {error}"),
                "let this process read the file".to_owned(),
            )],
            (Ok(text), Needs::Variables) => missing_variables(config, &text),
            (Ok(text), Needs::Files) => missing_files(config, folder, &text),
            (Ok(_), Needs::Functions) => missing_functions(config, folder),
            (Ok(_), Needs::Mode) => not_executable(&path),
        };
        let place = path.display().to_string();
        warnings.extend(missing.into_iter().map(|(problem, remedy)| {
            Danger::Deployment.at(Problem::at(Mark::whole(&place), problem, remedy))
        }));
    }
    warnings
}

type Missing = (String, String);

fn missing_variables(config: &Config, text: &str) -> Vec<Missing> {
    // With `envFrom`, the host passes every field of a secret to the process as a variable, so the
    // file need not mention the variables.
    if mentions(text, "envFrom") {
        return Vec::new();
    }
    let absent = config.variables.iter().filter(|name| !mentions(text, name));
    let names = absent.cloned().collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        return Vec::new();
    }
    let problem = format!("does not mention {names}, which the configuration reads");
    vec![(problem, format!("pass {names} to the process in this file"))]
}

/// Returns those files that the program reads at its start but the Dockerfile does not copy. The
/// program reads the configuration, the policy folder, maps and certificates.
fn missing_files(config: &Config, folder: &Path, text: &str) -> Vec<Missing> {
    let policy = config.policy.strip_prefix(folder).unwrap_or(&config.policy);
    let configuration = Path::new(&config.file).file_name().unwrap_or_default();
    let named = config.files.iter().map(PathBuf::from);
    let named = named.chain([policy.to_owned(), PathBuf::from(configuration)]);
    let mut missing: Vec<Missing> = named
        .filter(|path| !copied(path, text))
        .map(|path| {
            let path = path.display();
            (
                format!("does not copy {path}, which the program reads when it starts"),
                format!("write COPY {path} /{path}"),
            )
        })
        .collect();
    missing.sort();
    missing
}

/// Whether a line with COPY or ADD names the path or one of its parent folders.
fn copied(path: &Path, text: &str) -> bool {
    let plain: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("COPY ") || line.starts_with("ADD "));
    let words: Vec<&Path> = lines
        .flat_map(str::split_whitespace)
        .map(Path::new)
        .collect();
    plain
        .ancestors()
        .any(|above| !above.as_os_str().is_empty() && words.contains(&above))
        || words.contains(&Path::new("."))
}

fn missing_functions(config: &Config, folder: &Path) -> Vec<Missing> {
    let origins = config.sources.iter().flat_map(|source| &source.from);
    let queues = origins.filter_map(|origin| origin.strip_prefix("azure:"));
    queues
        .filter(|name| !folder.join(name).join("function.json").is_file())
        .map(|name| {
            let problem = format!(
                "has no folder {name} with a function.json, and a source trusts azure:{name}"
            );
            (
                problem,
                format!("add {name}/function.json, or correct `from`"),
            )
        })
        .collect()
}

#[cfg(unix)]
fn not_executable(path: &Path) -> Vec<Missing> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o111 == 0 {
        let remedy = format!("run: chmod 755 {}", path.display());
        vec![("is not executable: SCF cannot start it".to_owned(), remedy)]
    } else {
        Vec::new()
    }
}

#[cfg(not(unix))]
fn not_executable(_: &Path) -> Vec<Missing> {
    Vec::new()
}

/// Whether the text contains `word` as a whole word.
fn mentions(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_copied_paths_are_found_whole() {
        assert!(mentions("A: !Sub ${JIRA_SECRET}", "JIRA_SECRET"));
        assert!(!mentions(
            "OLD_JIRA_SECRET: x, JIRA_SECRET2: y",
            "JIRA_SECRET"
        ));
        let text = "FROM scratch\nCOPY sharehook.toml /\nCOPY policy /policy\n";
        assert!(copied(Path::new("sharehook.toml"), text));
        assert!(copied(Path::new("./policy/a.cedar"), text));
        assert!(!copied(Path::new("maps/a.jq"), text));
        assert!(copied(Path::new("maps/a.jq"), "COPY . /\n"));
    }
}
