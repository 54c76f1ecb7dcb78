//! `drift`: compares the cloud's shares with the journal, and on demand cancels or adopts shares
//! without a grant.

use serde_json::json;

use crate::app::{Adoption, Answer, Deadline, DriftReport, LeftOut, UnderWay, Unread};
use crate::domain::{Drifted, ImageRef, Region, ServedRegions, Status};
use crate::entrypoints::cli::print::{errln, out, outln};
use crate::entrypoints::outcome::Exit;

use super::args::DriftOptions;
use super::terminal::counting;
use super::terminal::text::indented;
use super::terminal::{Cell, Screen, Tone, column, table, texts};
use super::{Context, Failure};

/// Time limit of a comparison together with the cancels or adoptions after it.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn run(context: &Context, options: DriftOptions) -> Result<Exit, Failure> {
    let context = &context.calling(&options.cloud).await?;
    // A cancel or an adoption is a request, and a request needs the whole configuration.
    let requests = options.revoke_unknown || options.adopt;
    let app = match requests {
        true => context.start().await?,
        false => context.start_to_read()?,
    };
    // Refuse a wrong source also if nothing differs: a scheduled command must not fail only when it
    // is needed.
    if let (true, Some(by)) = (requests, &options.requester) {
        app.trusted_origin(&by.source)?;
    }
    let also = images_to_add(&options, &app.config().rules())?;
    let deadline = Deadline::after(BUDGET);
    let comparing = Box::pin(app.drift(&also, deadline));
    let what = "comparing the cloud with the journal";
    let mut report = counting(what, app.work_done(), comparing).await?;
    for flaw in &report.flaws {
        errln!("warning: {flaw}");
    }
    let mut asked = Ok(());
    if let Some(by) = options.requester {
        if options.revoke_unknown {
            let cancels = app.cancel_unknown(&mut report, &by.source, &by.requester, deadline);
            asked = cancels.await;
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
            asked = adopts.await;
        }
        app.notify_before_answer(deadline).await;
    }
    let agrees = report.agrees();
    if context.json {
        out(json!(report));
    } else {
        let differences = report.differences.len();
        report.shorten();
        print(&report, differences, Screen::of_stdout(&context.vars));
    }
    // Return an error only after the report is printed: the report has the answers to the requests
    // made before the error.
    asked?;
    let denied = |answer: &Answer| answer.status == Status::Denied;
    let mut answers = report.cancels.iter().chain(&report.adoptions);
    Ok(match answers.any(denied) {
        true => Exit::Refused,
        false => Exit::done_if(agrees),
    })
}

/// A row for a receiver that the report lists without a difference.
fn quiet_row(label: &'static str, [image, region, to]: [&str; 3], why: &str) -> Vec<Cell> {
    vec![
        Cell::new(label, Tone::Quiet),
        image.into(),
        region.into(),
        to.into(),
        why.into(),
    ]
}

/// The rows of the table: the differences, then what the comparison left out.
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

/// Prints a shortened report. `differences`: how many there are.
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
    // Each flaw was printed before.
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

/// Prints the answers to the requested cancels and adoptions.
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

/// The images to compare in addition to those in the journal.
fn images_to_add(
    options: &DriftOptions,
    rules: &ServedRegions,
) -> Result<Vec<(ImageRef, Region)>, Failure> {
    let Some(region) = &options.region else {
        return Ok(Vec::new());
    };
    // The known CVM regions include those of Lighthouse.
    if rules.check_lighthouse(region).is_err()
        && let Err(problem) = rules.check_cvm(region)
    {
        return Err(Failure::option("--region", &problem));
    }
    let in_region = |image: &ImageRef| (image.clone(), region.clone());
    Ok(options.images.iter().map(in_region).collect())
}
