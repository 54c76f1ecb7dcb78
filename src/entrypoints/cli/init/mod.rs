//! `init`: makes a folder that works at once: configuration, policy, maps, cases, random secrets
//! and a README. In: a new or empty folder, and the sources to receive from. The contents come from
//! the shipped samples ([`sample`]). `--host` adds files for hosts ([`hosts`]).

mod hosts;
mod options;
mod sample;

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use crate::clock;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;

use super::{Context, Failure};
pub(super) use options::InitOptions;

use sample::Sample;

pub(super) fn run(context: &Context, options: &InitOptions) -> Result<Exit, Failure> {
    let mut sample = Sample::of(&options.sources).map_err(Failure::Usage)?;
    sample.receive_queue_from(&hosts::queue_origins(&options.hosts));
    let folder = &options.dir;
    refuse_occupied(folder)?;
    let mut files = sample.files();
    files.push((".gitignore".to_owned(), hosts::PRIVATE.to_owned()));
    let variables = sample.variable_names();
    for host in &options.hosts {
        files.extend(hosts::files(*host, &variables, sample.has("queue")));
    }
    let readme = sample.readme() + &hosts::deployment(&options.hosts, &sample);
    files.push(("README.md".to_owned(), readme));
    let mut secrets = String::new();
    for (name, scheme) in sample.secrets() {
        let seed = clock::fresh_bytes()
            .map_err(|error| Failure::Failed(format!("no random bytes: {error}")))?;
        secrets += &format!("{name}={}\n", sample::secret(&scheme, &seed));
    }
    files.push((".env".to_owned(), secrets + &sample.variables()));
    files.sort();
    files.dedup();
    for (name, text) in &files {
        let path = folder.join(name);
        write(&path, text.as_bytes()).map_err(Failure::file(&path, "written"))?;
    }
    let names: Vec<_> = files.into_iter().map(|(name, _)| name).collect();
    print_made(context, folder, "", &names);
    if !context.json {
        outln!("Next: open {}", folder.join("README.md").display());
    }
    Ok(Exit::Done)
}

/// Prints the files of a new folder. `how` ends the first line; JSON leaves it out.
pub(super) fn print_made(context: &Context, folder: &Path, how: &str, names: &[String]) {
    if context.json {
        return out(json!({ "dir": folder.to_string_lossy(), "files": names }));
    }
    outln!("files in {}{how}:", folder.display());
    names.iter().for_each(|name| outln!("  {name}"));
}

/// Refuses a folder that contains something: a second `init` must not replace a policy.
pub(super) fn refuse_occupied(folder: &Path) -> Result<(), Failure> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::Usage(format!(
                "{shown} is not empty; name a new folder"
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Usage(format!("{shown} cannot be read: {error}"))),
    }
}

/// Creates a file with its folders. Only the owner may read `.env`, because it contains secrets.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        match path.file_name().and_then(|name| name.to_str()) {
            Some(".env") => drop(options.mode(0o600)),
            // The host runs this file.
            Some("scf_bootstrap") => drop(options.mode(0o755)),
            _ => {}
        }
    }
    options.open(path)?.write_all(bytes)
}
