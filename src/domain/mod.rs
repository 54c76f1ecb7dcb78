//! The types of the domain: accounts, images, regions, people, requests, results and others. Parses
//! text into values that are always valid. Does no I/O, reads no clock, and does not depend on any
//! vendor's JSON.

mod action;
mod cloud_error;
mod danger;
mod difference;
mod digest;
mod fault;
mod fields;
mod hidden;
mod http_date;
mod ids;
mod json;
mod language;
mod loopback;
mod mark;
mod native;
mod notice;
mod outcome;
mod person;
mod problem;
mod region;
mod request;
mod result_code;
mod shell;
mod site;
mod span;
mod spelled;
mod trigger_origin;
mod verdict;
mod visible;

pub use action::Action;
pub use cloud_error::{CloudError, ErrorClass, Family};
pub use danger::{Danger, Warning};
pub use difference::{Difference, Drifted};
pub use fault::Fault;
pub(crate) use hidden::hide_secrets;
pub(crate) use http_date::http_date;
pub(crate) use ids::identifier;
pub use ids::{AccountId, BlueprintId, CvmImageId, Identity, ImageRef, NotifyName, SourceName};
pub use json::{JsonFlaw, UniqueKeys, read_json};
pub use language::Language;
pub(crate) use loopback::is_loopback;
pub use mark::Mark;
pub(crate) use native::MAX_ACCOUNTS;
pub use notice::{Notice, NoticeKind, NoticeRules, Subscription};
pub use outcome::{Item, ItemResult, ResultKind, Status};
pub use person::{PersonName, mixes_scripts};
pub use problem::{Problem, Problems};
pub(crate) use problem::{numbered, shown};
pub use region::{Region, ServedRegions};
pub use request::{Expiry, ShareRequest, Target};
pub use result_code::ResultCode;
pub(crate) use shell::{is_plain_word, shell_quoted};
pub use site::Site;
pub use span::Span;
pub(crate) use spelled::{spelled, unknown_name};
pub(crate) use trigger_origin::TriggerOrigin;
pub use verdict::{Approval, RefusalKind, Refused, Verdict};
pub(crate) use visible::{is_invisible, visible};

/// An instant. Its text is in UTC, in the format of RFC 3339.
pub type Timestamp = jiff::Timestamp;
