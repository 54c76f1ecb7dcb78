//! `report`: writes the whole journal as one HTML page, to a file or into a bucket.

use crate::app::{Depth, Report, http_client};
use crate::domain::Problem;
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
    let (option, written) = match (&options.html, &options.to) {
        (Some(path), _) => ("--html", Ok(FilePlace::File(path.into()))),
        (None, to) => ("--to", to.as_deref().unwrap_or_default().parse()),
    };
    let wrong = |problem: Problem| Failure::option(option, &problem);
    let to = written.map_err(wrong)?;
    let read = ReadJournal::open(context, &options.place)?;
    read.allows_report_at(&to).map_err(wrong)?;
    #[cfg(feature = "sandbox")]
    if options.place.sandbox {
        let configured = context.load_to_read(false)?;
        configured.allows_report_at(&to).map_err(wrong)?;
    }
    let key = verifier(&options.key, &read)?;
    let configured = read.config.as_ref().map(|config| config.report.language);
    let language = options.language.or(configured);
    let compiling = Report::compile(
        read.reader(),
        key.as_ref(),
        Depth::Whole,
        language.unwrap_or_default(),
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
    Ok(Exit::done_if(report.is_clean() && !report.has_overdue()))
}
