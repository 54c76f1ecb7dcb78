//! `images`: lists CVM images, and whether each can be shared to Lighthouse. Reads all pages of
//! `DescribeImagesToShare`.

use serde_json::json;

use crate::app::{Deadline, ImageFilter, ImageToShare, ImagesQuery};
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;

use super::args::ImagesOptions;
use super::terminal::during;
use super::terminal::{Cell, Screen, Tone, column, table, texts};
use super::{Context, Failure};

/// Time limit for reading all pages.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) async fn run(context: &Context, options: &ImagesOptions) -> Result<Exit, Failure> {
    let region = &options.region;
    let query = query(options);
    let lists_all = query == ImagesQuery::All;
    let app = context.calling(&options.cloud).await?.start_to_read()?;
    if let Err(problem) = app.config().rules().check_lighthouse(region) {
        return Err(Failure::option("--region", &problem));
    }
    let images = app.images(region, query, Deadline::after(BUDGET));
    let images = during("asking the cloud", images).await;
    let images = images.map_err(Failure::failed)?;
    if context.json {
        out(json!(images));
        return Ok(Exit::Done);
    }
    if images.is_empty() {
        match lists_all {
            true => outln!("the cloud lists no image in {region}; name another --region"),
            false => outln!("no image in {region} matches; change or omit --filter and --image"),
        }
        return Ok(Exit::Done);
    }
    outln!("{}", shown(&images, Screen::of_stdout(&context.vars)));
    Ok(Exit::Done)
}

fn shown(images: &[ImageToShare], screen: Screen) -> String {
    let row = |image: &ImageToShare| {
        let shareable = match (image.is_shareable, image.unshareable_reason.as_deref()) {
            (Some(true), _) => Cell::new("yes", Tone::Good),
            (Some(false), Some(reason)) if !reason.is_empty() => {
                Cell::new(format!("no: {reason}"), Tone::Bad)
            }
            (Some(false), _) => Cell::new("no", Tone::Bad),
            (None, _) => Cell::new("unknown", Tone::Open),
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default().into();
        vec![
            image.image_id.to_string().into(),
            text(&image.image_name),
            text(&image.os_name),
            text(&image.image_state),
            shareable,
        ]
    };
    let columns = [
        column("IMAGE"),
        texts("NAME"),
        texts("OS"),
        column("STATE"),
        texts("SHAREABLE"),
    ];
    table(&columns, images.iter().map(row), screen)
}

fn query(options: &ImagesOptions) -> ImagesQuery {
    if !options.images.is_empty() {
        let image_ids = once(options.images.iter().cloned());
        return ImagesQuery::Ids { image_ids };
    }
    let mut filters: Vec<ImageFilter> = Vec::new();
    for (name, value) in once(options.filters.iter()) {
        match filters.iter_mut().find(|known| known.name == *name) {
            Some(known) => known.values.push(value.clone()),
            None => filters.push(ImageFilter {
                name: (*name).to_owned(),
                values: vec![value.clone()],
            }),
        }
    }
    if filters.is_empty() {
        ImagesQuery::All
    } else {
        ImagesQuery::Filters { filters }
    }
}

/// Removes repeated entries, because the cloud refuses a list that has an entry twice. Keeps the
/// order.
fn once<T: PartialEq>(entries: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for entry in entries {
        if !once.contains(&entry) {
            once.push(entry);
        }
    }
    once
}
