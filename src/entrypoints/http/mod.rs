//! HTTP, however it reaches us: the routes, the server for hosts that speak it, and the events of
//! hosts that hand it over as JSON.

mod cloudevents;
pub(super) mod event;
mod request;
mod response;
mod routes;
pub(super) mod server;

pub(super) use request::HttpRequest;
pub(super) use response::HttpResponse;
pub(super) use routes::respond;
