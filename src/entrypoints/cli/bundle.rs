//! `bundle`: copies what the program reads at start, for a package or an image: the configuration
//! as `sharehook.toml`, the policies, and the other files that the configuration names, such as
//! maps and certificates. Checks the new folder as a whole. Adds the file `validated`, so that the
//! program need not validate these policies again when it starts. Copies no secret, so that every
//! user may read the files. Prints the warnings of `check` that need no secret.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::clock;
use crate::config::Config;
use crate::domain::Warning;
use crate::entrypoints::outcome::Exit;
use crate::journal::FilePlace;
use crate::policy::{VALIDATED, stamp};

use super::excerpt::Files;
use super::init::{print_made, refuse_occupied};
use super::print::errln;
use super::{Context, Failure};

pub(super) fn run(context: &Context, folder: &Path) -> Result<Exit, Failure> {
    let prepared = context.prepare_without_secrets()?;
    refuse_occupied(folder)?;
    if folder.to_str().is_none() {
        let text = format!("{} is not UTF-8; name another folder", folder.display());
        return Err(Failure::Usage(text));
    }
    refuse_read_place(prepared.config(), folder)?;
    let files = files(prepared.config())?;
    for (name, path) in &files {
        copy(path, folder, name).map_err(Failure::file(path, "copied"))?;
    }
    let file = folder.join("sharehook.toml");
    let bundled = context.prepare_file_without_secrets(&file)?;
    if bundled.policy_digest() != prepared.policy_digest() {
        let text = format!(
            "{}: its policies differ from those of the configuration; a policy file may have changed during the copy: remove the folder and run `bundle` again",
            folder.display()
        );
        return Err(Failure::failed(text));
    }
    let mut names: Vec<String> = files
        .iter()
        .map(|(name, _)| name.display().to_string())
        .collect();
    let validated = bundled.config().policy.join(VALIDATED);
    fs::write(&validated, stamp(bundled.policy_digest()))
        .and_then(|()| let_all_read(&validated, 0o644))
        .map_err(Failure::file(&validated, "written"))?;
    if !context
        .prepare_file_without_secrets(&file)?
        .agrees_with(&bundled)
    {
        drop(fs::remove_file(&validated));
        let text = "sharehook reads the policies of the bundle differently from Cedar: this is a \
                    defect, report it with the policies; the bundle works, but starts more slowly";
        return Err(Failure::failed(text));
    }
    let validated = validated.strip_prefix(folder).unwrap_or(&validated);
    names.push(validated.display().to_string());
    print_made(context, folder, ", checked as a whole", &names);
    let mut read = Files::default();
    for Warning { danger, problem } in prepared.dangers_without_secrets(clock::system_now()) {
        errln!("{}\n", read.show(&format!("warning[{danger}]: "), &problem));
    }
    Ok(Exit::Done)
}

/// Refuses a folder inside the policy directory, the journal or its index: the start reads or
/// refuses what lies there.
fn refuse_read_place(config: &Config, folder: &Path) -> Result<(), Failure> {
    let place = FilePlace::File(folder.to_owned());
    let inside = |what: &str| {
        let text = format!("{} {what}; name another folder", folder.display());
        Failure::Usage(text)
    };
    if place.is_at(&config.policy) {
        return Err(inside("lies inside the policy directory"));
    }
    let outside = place.outside(&config.journal, config.index.as_ref());
    outside.map_err(|_| inside("lies inside the journal"))
}

/// Returns the files to copy. Each entry has the path in the bundle, then the present path.
fn files(config: &Config) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let root = Path::new(&config.file).parent().unwrap_or(Path::new(""));
    let mut files = vec![(PathBuf::from("sharehook.toml"), PathBuf::from(&config.file))];
    for name in &config.files {
        files.push((inside(Path::new(name))?, root.join(name)));
    }
    let policy = inside(config.policy.strip_prefix(root).unwrap_or(&config.policy))?;
    let unreadable = Failure::file(&config.policy, "read");
    for entry in fs::read_dir(&config.policy).map_err(&unreadable)? {
        let path = entry.map_err(&unreadable)?.path();
        let name = path.file_name().unwrap_or_default();
        let read = ["entities.json", "schema.cedarschema"]
            .map(Some)
            .contains(&name.to_str())
            || name.to_string_lossy().ends_with(".cedar");
        if read {
            files.push((policy.join(name), path));
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the path without `.` components. Refuses a path outside the configuration's folder,
/// because the bundle has no place for it.
fn inside(path: &Path) -> Result<PathBuf, Failure> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => plain.push(name),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Failure::Usage(format!(
                    "{} is not below the configuration's folder; move it there, and name it by its relative path",
                    path.display()
                )));
            }
        }
    }
    Ok(plain)
}

/// Copies a file to `name` in `folder`. Every user may read the copy: hosts run the program as a
/// user of their own, and the file's mode or the umask may be for its owner only.
fn copy(from: &Path, folder: &Path, name: &Path) -> io::Result<()> {
    let to = folder.join(name);
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    fs::copy(from, &to)?;
    let_all_read(&to, 0o644)?;
    let above = name.ancestors().skip(1);
    let mut above = above.filter(|above| !above.as_os_str().is_empty());
    above.try_for_each(|above| let_all_read(&folder.join(above), 0o755))
}

#[cfg(unix)]
fn let_all_read(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn let_all_read(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
