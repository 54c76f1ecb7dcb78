//! A stateful stand-in for the Tencent Cloud APIs that share images: an HTTP server on loopback
//! against which tests, the demo and people with a laptop run the real client. It checks
//! signatures, limits and conditions itself and answers with the documented codes; where the
//! documentation is silent, `Behaviour` names the choice.
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
//! Beside the API at `/` the server has, unsigned and for calls to a loopback host only, as aids in
//! debugging:
//!
//! | request | answers |
//! |---|---|
//! | `GET /sandbox/state` | everything that exists, and the faults that wait |
//! | `GET /sandbox/calls` | the latest calls, oldest first |
//! | `GET /sandbox/faults` | the faults that wait, as text |
//! | `POST /sandbox/faults` | adds faults: a JSON string, or an array of them, with Content-Type `application/json` |
//! | `DELETE /sandbox/faults` | removes them all |

mod accounts;
mod actions;
mod behaviour;
#[cfg(feature = "cli")]
pub mod cli;
mod connection;
mod debug;
mod error;
mod fault;
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
#[cfg(test)]
mod testing;
mod world;

pub use accounts::AccountKind;
pub use behaviour::{Batch, Behaviour, RateLimits, Reading, ServiceRole, Site};
pub use fault::{Fault, FaultError, FaultKind};
pub use log::Call;
pub use options::{SandboxKey, SandboxOptions};
pub use seed::{SANDBOX_OWNER, SANDBOX_REGIONS, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
pub use server::{Running, Sandbox};
pub use world::{
    Blueprint, BlueprintKind, BlueprintState, Busy, CvmImage, ImageClass, ImageSource, ImageState,
    ImageType, Shares, Stock, World,
};
