//! The report: the whole journal as one HTML page for people, with what needs attention first.
//! Takes a journal; returns a page that loads nothing from elsewhere. `templates/` has its HTML,
//! style and script.

mod attention;
mod decisions;
mod evidence;
mod last_refusal;
mod names;
mod page;
mod publish;
mod sections;
mod served;
mod table;
mod texts;
mod timeline;

pub use evidence::Depth;
pub(super) use last_refusal::LastRefusal;
pub use page::Report;
pub(crate) use served::ReportReply;
