//! The report shows the whole journal on one HTML page for people, with what needs attention first.
//! The page loads nothing from elsewhere. Its HTML, style and script are in `templates/`.

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
