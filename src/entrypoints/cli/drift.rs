//! `drift`: compares the shares in the cloud with the journal. With an option, also records what
//! differs, or cancels or adopts the shares that have no grant.

use serde_json::json;

use crate::app::{Adoption, Answer, Deadline, DriftReport, LeftOut, UnderWay, Unread};
use crate::domain::{Drifted, ImageRef, Region, ServedRegions, Status};
use crate::entrypoints::cli::print::{errln, out, outln};
use crate::entrypoints::outcome::Exit;

use super::args::DriftOptions;
use super::stop_signal::stoppable;
use super::terminal::counting;
use super::terminal::text::indented;
use super::terminal::{Cell, Screen, Tone, column, table, texts};
use super::{Context, Failure};

/// Time limit of the whole command: the comparison, and the cancels or adoptions that follow it.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn run(context: &Context, options: DriftOptions) -> Result<Exit, Failure> {
    let context = &context.calling(&options.cloud).await?;
    // Each cancel or adoption is a request. A request, and a record with its notifications, need the
    // keys and the journal for writing.
    let requests = options.revoke_unknown || options.adopt;
    let app = match requests || options.scheduled {
        true => context.start_to_operate().await?,
        false => context.start_to_read()?,
    };
    // Check the source even if the comparison finds no difference. Otherwise a scheduled command
    // with a wrong source would work until the day when there is a share to cancel or adopt.
    if let (true, Some(by)) = (requests, &options.requester) {
        app.trusted_origin(&by.source)?;
    }
    let also = images_to_add(&options, &app.config().rules())?;
    let deadline = Deadline::after(BUDGET);
    let comparing = Box::pin(async {
        match options.scheduled {
            true => app.drift_task(deadline).await,
            false => app.drift(&also, deadline).await,
        }
    });
    let what = "comparing the cloud with the journal";
    let mut report = counting(what, app.work_done(), comparing).await?;
    for flaw in &report.flaws {
        errln!("warning: {flaw}");
    }
    let mut asked = Ok(());
    if let Some(by) = options.requester {
        if options.revoke_unknown {
            let cancels = app.cancel_unknown(&mut report, &by.source, &by.requester, deadline);
            asked = stoppable(&app, cancels).await?;
        } else if let (true, Some(ticket), Some(expires_in)) =
            (options.adopt, options.ticket, options.expires)
        {
            let adoption = Adoption {
                ticket,
                expires_in,
                approvers: options.approvers,
                by,
            };
            let adopts = app.adopt(&mut report, &adoption, deadline);
            asked = stoppable(&app, adopts).await?;
        }
    }
    app.notify_before_answer(deadline).await;
    let agrees = report.agrees();
    if context.json {
        out(json!(report));
    } else {
        let differences = report.differences.len();
        report.shorten();
        print(&report, differences, Screen::of_stdout(&context.vars));
    }
    // Return an error only now, after the report is printed. The report has the answers to the
    // requests that were made before the error.
    asked?;
    let denied = |answer: &Answer| answer.status == Status::Denied;
    let mut answers = report.cancels.iter().chain(&report.adoptions);
    Ok(match answers.any(denied) {
        true => Exit::Refused,
        false => Exit::done_if(agrees),
    })
}

/// Returns the row for an entry of `under_way` or `left_out` in the report.
fn quiet_row(label: &'static str, [image, region, to]: [&str; 3], why: &str) -> Vec<Cell> {
    vec![
        Cell::new(label, Tone::Quiet),
        image.into(),
        region.into(),
        to.into(),
        why.into(),
    ]
}

/// Returns the rows of the table: the differences, the entries of `under_way` and `left_out`, and
/// the images that were not compared.
fn rows(report: &DriftReport) -> Vec<Vec<Cell>> {
    let drifted = |drifted: &Drifted| -> Vec<Cell> {
        let meaning = drifted.difference.meaning();
        let to_come = report.unfinished.iter().find(|one| one.concerns(drifted));
        let meaning = match to_come {
            Some(to_come) => format!("{meaning}; {}", to_come.intention()),
            None => meaning.to_owned(),
        };
        vec![
            Cell::new(drifted.difference.as_str(), Tone::Bad),
            drifted.image.as_str().into(),
            drifted.region.as_str().into(),
            drifted.to.as_str().into(),
            meaning.as_str().into(),
        ]
    };
    let under_way = |receiver: &UnderWay| {
        let place: [&str; 3] = [&receiver.image, &receiver.region, &receiver.to];
        quiet_row(
            "under way",
            place,
            &format!("{} is not finished", receiver.request),
        )
    };
    let left_out = |receiver: &LeftOut| {
        let place: [&str; 3] = [&receiver.image, &receiver.region, &receiver.to];
        quiet_row("left out", place, &receiver.why)
    };
    let unread = |unread: &Unread| -> Vec<Cell> {
        let tone = match unread.no_read_api {
            true => Tone::Quiet,
            false => Tone::Bad,
        };
        vec![
            Cell::new("not compared", tone),
            unread.image.as_str().into(),
            unread.region.as_str().into(),
            Cell::default(),
            unread.why.as_str().into(),
        ]
    };
    (report.differences.iter().map(drifted))
        .chain(report.under_way.iter().map(under_way))
        .chain(report.left_out.iter().map(left_out))
        .chain(report.unread.iter().map(unread))
        .collect()
}

/// Prints a shortened report. `differences` is the number of differences before the report was
/// shortened.
fn print(report: &DriftReport, differences: usize, screen: Screen) {
    let rows = rows(report);
    let columns = [
        column("DIFFERENCE"),
        column("IMAGE"),
        column("REGION"),
        column("TO"),
        texts("MEANING"),
    ];
    if !rows.is_empty() {
        outln!("{}\n", table(&columns, rows, screen));
    }
    // The flaws were already printed as warnings.
    for (list, more) in report.more.iter().filter(|(list, _)| **list != "flaws") {
        let list = list.replace('_', " ");
        outln!("  {list}: and {more} more; `--json` lists all");
    }
    for (kind, remedy) in &report.remedies {
        outln!(
            "{}",
            indented(2, &format!("{kind}: {remedy}"), screen.width)
        );
    }
    print_answers(report, screen);
    outln!(
        "images compared: {}, differences: {differences}",
        report.compared
    );
}

fn print_answers(report: &DriftReport, screen: Screen) {
    let cancels = report.cancels.iter().map(|answer| ("cancel", answer));
    let adoptions = report.adoptions.iter().map(|answer| ("adopt", answer));
    for (verb, answer) in cancels.chain(adoptions) {
        let results = answer.results.iter().map(ToString::to_string);
        let refused = answer.refused.iter().map(ToString::to_string);
        outln!("{verb} {}: {}", answer.id, answer.status);
        for why in results.chain(refused).chain(answer.message.clone()) {
            outln!("  {}", indented(2, &why, screen.width));
        }
    }
}

/// Returns the images to compare in addition to those in the journal.
fn images_to_add(
    options: &DriftOptions,
    rules: &ServedRegions,
) -> Result<Vec<(ImageRef, Region)>, Failure> {
    let Some(region) = &options.region else {
        return Ok(Vec::new());
    };
    // Report the problem of `check_cvm`: it knows each region that `check_lighthouse` knows. On the
    // Chinese site, `check_lighthouse` accepts every region.
    if rules.check_lighthouse(region).is_err()
        && let Err(problem) = rules.check_cvm(region)
    {
        return Err(Failure::option("--region", &problem));
    }
    let in_region = |image: &ImageRef| (image.clone(), region.clone());
    Ok(options.images.iter().map(in_region).collect())
}
