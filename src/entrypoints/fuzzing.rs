//! The functions that the fuzz targets call, with one event or one HTTP request as a host passes
//! it. Not part of the product's interface.

use std::sync::Arc;

use bytes::Bytes;

use crate::app::App;
use crate::domain::read_json;

use super::http::{HttpRequest, respond};
use super::{azure, function_compute, invocation, lambda, scf};

/// Processes an event of a function host, and returns its answer or error as text.
pub async fn event(app: &Arc<App>, data: &[u8]) -> String {
    let invocation = match read_json(data) {
        Err(flaw) => invocation::Invocation::unreadable(flaw),
        Ok(event) if scf::is_of_scf(&event) => scf::answer(app, &event, app.budget()).await,
        Ok(event) => lambda::answer(app, event, "request-1", app.budget()).await,
    };
    match invocation.answer {
        Ok(answer) => answer.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Answers an HTTP request as each kind of HTTP host does, and returns the highest status.
pub async fn request(
    app: &Arc<App>,
    method: &str,
    path: &str,
    headers: Vec<(String, String)>,
    body: &[u8],
) -> u16 {
    let request = || HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        headers: headers.clone(),
        body: Bytes::copy_from_slice(body),
    };
    let azure = azure::Handler::new(Some("{}"), &crate::config::Vars::new());
    let plain = respond(app, request(), app.budget()).await.status;
    let compute = function_compute::respond_to(app, request(), app.budget()).await;
    let azure = azure.respond(app, request(), app.budget()).await;
    plain.max(compute.status).max(azure.status)
}
