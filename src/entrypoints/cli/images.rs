//! `images`: prints all pages of `DescribeImagesToShare`.

use serde_json::json;

use crate::app::{Deadline, ImageFilter, ImagesQuery};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::args::ImagesOptions;
use super::print::table;
use super::{Context, Failure};

/// Time limit of the list.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) async fn run(context: &Context, options: &ImagesOptions) -> Result<Exit, Failure> {
    let region = options
        .region
        .parse()
        .map_err(|problem| Failure::Usage(format!("--region: {problem}")))?;
    let query = query(options)?;
    let app = context.start().await?;
    if let Err(problem) = app.config().rules().check_lighthouse(&region) {
        return Err(Failure::Usage(format!("--region: {problem}")));
    }
    let images = app.images(&region, query, Deadline::after(BUDGET)).await;
    let images = images.map_err(Failure::failed)?;
    if context.json {
        outln!("{}", json!(images));
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = images
        .iter()
        .map(|image| {
            let shareable = match (image.is_shareable, image.unshareable_reason.as_deref()) {
                (Some(true), _) => "yes".to_owned(),
                (Some(false), Some(reason)) if !reason.is_empty() => format!("no: {reason}"),
                (Some(false), _) => "no".to_owned(),
                (None, _) => "unknown".to_owned(),
            };
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            vec![
                image.image_id.to_string(),
                text(&image.image_name),
                text(&image.os_name),
                text(&image.image_state),
                shareable,
            ]
        })
        .collect();
    outln!(
        "{}",
        table(&["IMAGE", "NAME", "OS", "STATE", "SHAREABLE"], &rows)
    );
    Ok(Exit::Done)
}

fn query(options: &ImagesOptions) -> Result<ImagesQuery, Failure> {
    if !options.images.is_empty() {
        let ids: Result<Vec<_>, _> = options
            .images
            .iter()
            .map(|text| {
                let wrong = |problem| Failure::Usage(format!("--image: {problem}"));
                text.parse().map_err(wrong)
            })
            .collect();
        return Ok(ImagesQuery::Ids { image_ids: ids? });
    }
    let mut filters: Vec<ImageFilter> = Vec::new();
    for text in &options.filters {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--filter {text:?} is not NAME=VALUE")))?;
        match filters.iter_mut().find(|known| known.name == name) {
            Some(known) => known.values.push(value.to_owned()),
            None => filters.push(ImageFilter {
                name: name.to_owned(),
                values: vec![value.to_owned()],
            }),
        }
    }
    Ok(if filters.is_empty() {
        ImagesQuery::All
    } else {
        ImagesQuery::Filters { filters }
    })
}
