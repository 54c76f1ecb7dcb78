//! `test`: runs the user's policy test cases. Signs each event as its source does, with a random
//! secret, and processes it up to the plan. Events of trusted sources and of sources with `fetch`
//! are not signed. If the source has `fetch`, the event's file must also contain the instance that
//! the service would fetch. Writes no journal and makes no cloud call.

mod case;
mod junit;
mod record;
mod report;

use std::path::{Path, PathBuf};

use crate::app::Prepared;
use crate::entrypoints::outcome::Exit;

use super::args::TestOptions;
use super::{Context, Failure};
use case::{Ran, run_file};
use report::report;

pub(super) fn run(context: &Context, options: &TestOptions) -> Result<Exit, Failure> {
    let prepared = context.prepare_without_secrets()?;
    let dir = options.dir.clone();
    let dir = dir.unwrap_or_else(|| prepared.config().policy.join("cases"));
    if let Some(event) = &options.record {
        return record::run(context, &prepared, &dir, event, options);
    }
    let shown = dir.display();
    let files = case_files(&dir).map_err(|error| {
        Failure::Failed(format!(
            "cannot read {shown}: {error}; name the folder of your cases"
        ))
    })?;
    if files.is_empty() {
        return Err(Failure::Failed(format!(
            "{shown} has no *.toml case file; name the folder of your cases"
        )));
    }
    let cases: Vec<Ran> = files
        .iter()
        .flat_map(|file| run_file(&prepared, file))
        .collect();
    if let Some(file) = &options.junit {
        let written = std::fs::write(file, junit::xml(&cases));
        written.map_err(Failure::file(file, "written"))?;
    }
    let untouched = untouched(&prepared, &cases);
    Ok(report(context.json, &cases, &untouched))
}

/// Returns the policies that decided no case.
fn untouched(prepared: &Prepared, cases: &[Ran]) -> Vec<String> {
    let touched = |id: &&str| {
        cases
            .iter()
            .any(|ran| ran.touched.iter().any(|by| by == id))
    };
    let ids = prepared.policy_ids().filter(|id| !touched(id));
    ids.map(str::to_owned).collect()
}

fn case_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
