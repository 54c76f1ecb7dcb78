//! `completions` prints a script for a shell, and `man` writes man pages into a folder. Both are
//! generated from the definitions of the arguments, so they agree with `--help`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::entrypoints::cli::print::{note, outln};
use crate::entrypoints::outcome::Exit;

use super::Failure;
use super::args::Args;

pub(super) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "sharehook", &mut script);
    note(std::io::stdout().lock().write_all(&script));
    Exit::Done
}

pub(super) fn pages(folder: &Path) -> Result<Exit, Failure> {
    // `man -M DIR` looks in DIR/man1.
    let section = folder.join("man1");
    let written = fs::create_dir_all(&section)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &section));
    written.map_err(Failure::file(folder, "written"))?;
    outln!("read them with: man -M {} sharehook", folder.display());
    Ok(Exit::Done)
}
