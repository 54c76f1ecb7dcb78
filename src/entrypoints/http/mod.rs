//! HTTP: the routes, the server for hosts that send HTTP, and the events of hosts that pass HTTP
//! requests as JSON.

mod body;
mod cloudevents;
mod connections;
pub(super) mod descriptors;
pub(super) mod event;
mod pace;
mod request;
mod request_ids;
mod response;
mod routes;
pub(super) mod server;

pub(super) use request::{HttpRequest, query_fields};
pub(super) use response::HttpResponse;
pub(super) use routes::{respond, unread_of};
