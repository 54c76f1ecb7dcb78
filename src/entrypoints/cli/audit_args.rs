//! Defines the arguments of `audit`. clap prints the comments of the subcommands and of the fields
//! as help.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use crate::domain::Timestamp;
use crate::journal::log::VerifierKey;

use super::filters::{read, timestamp};
use super::list_args::JournalPlace;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every record against its hash chain and the seals
    ///
    /// Prints each record that was changed, removed or inserted, and exits 1 if
    /// there is one.
    Verify(AuditVerifyOptions),
    /// Seal all unsealed records, and print the checkpoint
    ///
    /// Keep the signed checkpoint in another place: with it,
    /// `audit verify --checkpoint` shows whether seals were removed.
    Seal,
    /// Print the public key that checks the seals
    Key,
    /// Print every record as OCSF, CSV or JSON lines
    Export(AuditExportOptions),
    /// Print a proof that a request is sealed, to check offline
    ///
    /// With --since, proves that the newest checkpoint continues an older one.
    Prove(AuditProveOptions),
    /// Remove the records of old finished requests from `requests/`
    ///
    /// The log's segments keep them. Record 0 of each request also stays in
    /// `requests/`.
    Retire(AuditRetireOptions),
    /// Introduce a new seal key, signed by the old one
    ///
    /// Then configure the new key: from now on only the new key seals.
    RotateKey {
        /// The new private key: file:PATH, env:NAME or another reference
        #[arg(long, value_name = "REF")]
        to: String,
    },
    /// Check a proof with the public key alone; exit 2 if it fails
    CheckProof {
        /// The proof
        file: PathBuf,
        /// The public key, as `audit key` prints it
        #[arg(long, value_name = "KEY", value_parser = read::<VerifierKey>, allow_hyphen_values = true)]
        key: VerifierKey,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditVerifyOptions {
    /// The public key [default: that of the configured key]
    #[arg(long, value_name = "KEY", value_parser = read::<VerifierKey>, allow_hyphen_values = true)]
    pub(crate) key: Option<VerifierKey>,
    /// A checkpoint kept in another place; shows removed seals
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
    /// Check only the log's segments, which have every sealed record
    #[arg(long)]
    pub(crate) sealed: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditProveOptions {
    /// A request's id, source/id, or the name of its stream
    #[arg(required_unless_present = "since", conflicts_with = "since")]
    pub(crate) id: Option<String>,
    /// An older checkpoint, as `audit seal` printed it
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// The public key [default: that of the configured key]
    #[arg(long, value_name = "KEY", value_parser = read::<VerifierKey>, allow_hyphen_values = true)]
    pub(crate) key: Option<VerifierKey>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditRetireOptions {
    /// Only requests whose last step is this old, as in 365d
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: String,
    /// Print how many requests would be retired
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditExportOptions {
    /// OCSF 1.8.0, CSV, or the records as stored
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Only records written at this instant or later
    #[arg(long, value_name = "T", value_parser = timestamp)]
    pub(crate) since: Option<Timestamp>,
    /// Only records written before this instant
    #[arg(long, value_name = "T", value_parser = timestamp)]
    pub(crate) until: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    Ocsf,
    Csv,
    Jsonl,
}
