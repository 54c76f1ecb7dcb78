//! `demo`: the whole product in one minute, on loopback. Each line that it prints was observed, and
//! it exits 0 only if all of them were: over HTTP, through the real path, against the sandbox, in
//! the journal's files.

mod environment;
mod script;

use crate::config::Site;
use crate::entrypoints::outcome::Exit;

use super::{Context, Failure};
use environment::Demo;

/// Runs the demo on a site; `keep` leaves its folder for a closer look.
pub(super) async fn run(context: &Context, site: Site, keep: bool) -> Result<Exit, Failure> {
    let mut demo = Demo::build(&context.vars, site).await?;
    let played = script::play(&mut demo).await;
    let whole = demo.stop(keep).await;
    played.map(|()| if whole { Exit::Done } else { Exit::Failed })
}
