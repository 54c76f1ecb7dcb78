//! `report`: writes the whole journal as one HTML page, to a file or into a bucket.

use crate::app::{Depth, Report, http_client};
use crate::entrypoints::outcome::Exit;
use crate::journal::{Access, FilePlace};

use super::audit_input::verifier;
use super::list_args::ReportOptions;
use super::print::outln;
use super::reading::ReadJournal;
use super::terminal::text::indented;
use super::terminal::{Screen, counting};
use super::{Context, Failure};

pub(super) async fn run(context: &Context, options: &ReportOptions) -> Result<Exit, Failure> {
    let to: FilePlace = match (&options.html, &options.to) {
        (Some(path), _) => FilePlace::File(path.into()),
        (None, to) => {
            let parsed = to.as_deref().unwrap_or_default().parse();
            parsed.map_err(|problem| Failure::Usage(format!("--to: {problem}")))?
        }
    };
    let read = ReadJournal::open(context, &options.place)?;
    let key = verifier(options.key.as_deref(), &read)?;
    let compiling = Report::compile(
        &read.journal,
        &read.rules,
        key.as_ref(),
        Depth::Whole,
        read.now,
    );
    let report = counting(
        "reading and verifying the journal",
        read.journal.work_done(),
        compiling,
    )
    .await?;
    let access = Access::of(&context.vars, http_client().map_err(Failure::Invalid)?);
    to.write(&access, Report::CONTENT_TYPE, report.html().into())
        .await?;
    if context.json {
        let mut counts = report.counts();
        if let Some(counts) = counts.as_object_mut() {
            counts.insert("file".to_owned(), to.to_string().into());
        }
        outln!("{counts}");
    } else {
        let said = format!("{to}: {}", report.summary());
        let width = Screen::of_stdout(&context.vars).width;
        outln!("{}", indented(2, &said, width));
    }
    Ok(match report.is_clean() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}
