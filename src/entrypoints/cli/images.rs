//! `images`: what `DescribeImagesToShare` lists, all pages.

use serde_json::json;

use crate::app::{Deadline, ImageFilter, ImagesQuery};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;

use super::args::ImagesOptions;
use super::print::table;
use super::{Context, cannot_start};

pub(super) async fn run(context: &Context, options: &ImagesOptions) -> Exit {
    let region = match options.region.parse() {
        Ok(region) => region,
        Err(problem) => return super::usage(&format!("--region: {problem}")),
    };
    let query = match query(options) {
        Ok(query) => query,
        Err(problem) => return super::usage(&problem),
    };
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    if let Err(problem) = app.config().rules().check_lighthouse(&region) {
        return super::usage(&format!("--region: {problem}"));
    }
    let images = match app
        .images(
            &region,
            query,
            Deadline::after(std::time::Duration::from_secs(60)),
        )
        .await
    {
        Ok(images) => images,
        Err(error) => {
            eprintln!("sharehook: {error}");
            return Exit::Failed;
        }
    };
    if context.json {
        outln!("{}", json!(images));
        return Exit::Done;
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
    Exit::Done
}

fn query(options: &ImagesOptions) -> Result<ImagesQuery, String> {
    if !options.images.is_empty() {
        let ids: Result<Vec<_>, _> = options
            .images
            .iter()
            .map(|text| text.parse().map_err(|p| format!("--image: {p}")))
            .collect();
        return Ok(ImagesQuery::Ids { image_ids: ids? });
    }
    let mut filters: Vec<ImageFilter> = Vec::new();
    for text in &options.filters {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("--filter {text:?} is not NAME=VALUE"))?;
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
