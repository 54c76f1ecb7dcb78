//! `demo`: demonstrates the product in one minute, on loopback. Sends deliveries over HTTP to the
//! real service and checks the answers, the sandbox and the journal's files. Exits 0 only if all
//! checks pass.

mod environment;
mod folder;
mod output;
mod script;

use crate::config::Site;
use crate::entrypoints::outcome::Exit;

use super::terminal::Screen;
use super::{Context, Failure};
use environment::Demo;
use output::Output;

pub(super) async fn run(context: &Context, site: Site, keep: bool) -> Result<Exit, Failure> {
    let out = Output::new(Screen::of_stdout(&context.vars), context.json);
    let mut demo = Demo::build(out, &context.vars, site).await?;
    let played = script::play(&mut demo).await;
    let whole = demo.stop(keep).await;
    played.map(|()| Exit::done_if(whole))
}
