//! A stateful stand-in for the Tencent Cloud APIs that share images, and for the APIs of approval
//! systems: an HTTP server on loopback for tests, demonstrations and trials of the real client. It
//! checks signatures, limits and conditions, and answers with the documented codes. `Behaviour` has
//! an option for each question that the documentation leaves open.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use sharehook_sandbox::{Sandbox, SandboxOptions};
//! let running = Sandbox::start(SandboxOptions::seeded(|| jiff::Timestamp::UNIX_EPOCH)).await?;
//! println!("endpoint = {:?}", running.url());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Besides the API at `/`, the server answers unsigned debug requests to a loopback host name:
//!
//! | request | answers |
//! |---|---|
//! | `GET /sandbox/state` | the images of each region with their shares, and the pending faults |
//! | `GET /sandbox/calls` | the latest calls, oldest first |
//! | `GET /sandbox/faults` | the pending faults, as text |
//! | `POST /sandbox/faults` | adds faults: a JSON string, or an array of them, with Content-Type `application/json` |
//! | `DELETE /sandbox/faults` | removes all faults |
//! | any request below `/inbox` | is recorded as a letter; the stand-in for a system that receives notifications |
//! | `GET /sandbox/inbox` | the latest letters, oldest first |
//! | `POST /sandbox/inbox` | how the inbox answers from now on, as in `{"status": 503}` |
//! | `DELETE /sandbox/inbox` | removes all letters |
//! | any request below `/feishu`, `/lark`, `/dingtalk` or `/wecom` | is answered as that approval system's API does |
//! | a GET with a login below `/http` | is answered with the ticket whose id its path or query names |
//! | `GET /sandbox/approvals` | the ids of the approval systems' instances, and what was written back |
//! | `POST /sandbox/approvals/SYSTEM` | adds or replaces an instance of this system, in the form that its API returns |

mod accounts;
mod actions;
mod approvals;
mod behaviour;
#[cfg(feature = "cli")]
pub mod cli;
mod connection;
mod debug;
mod error;
mod fault;
mod inbox;
mod limiter;
mod log;
mod options;
mod params;
mod query;
mod reply;
mod request;
mod seed;
mod server;
mod signature;
mod state;
mod state_file;
#[cfg(test)]
mod testing;
mod world;

pub use accounts::AccountKind;
pub use approvals::{ApprovalCalls, ApprovalSystem, Approvals, Tenant};
pub use behaviour::{Batch, Behaviour, RateLimits, Reading, ServiceRole, Site};
pub use fault::{Fault, FaultError, FaultKind};
pub use inbox::{InboxAnswer, Letter};
pub use log::Call;
pub use options::{SandboxKey, SandboxOptions};
pub use seed::{AddedImage, SANDBOX_OWNER, SANDBOX_REGIONS, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
pub use server::{Running, Sandbox};
pub use world::{
    Blueprint, BlueprintKind, BlueprintState, Busy, CvmImage, ImageClass, ImageSource, ImageState,
    ImageType, Shares, Stock, World,
};
