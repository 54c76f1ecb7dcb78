//! The arguments, as the contract names them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

#[cfg(feature = "sandbox")]
use crate::domain::Site;

/// Turns an approved ticket into a cloud image share, and into nothing else.
///
/// Without a command it finds its host from the environment: AWS Lambda (AWS_LAMBDA_RUNTIME_API),
/// SCF (SCF_RUNTIME_API), or HTTP on the host's port variable (FUNCTIONS_CUSTOMHANDLER_PORT, PORT,
/// FC_SERVER_PORT).
#[derive(Debug, Parser)]
#[command(
    name = "sharehook",
    version,
    after_help = "Exit codes: 0 done, 1 failed or differs, 2 refused or denied, 3 configuration or policy invalid, 64 usage."
)]
pub(crate) struct Args {
    /// The configuration file [default: SHAREHOOK_CONFIG, else sharehook.toml beside the binary or
    /// here]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[cfg(feature = "sandbox")]
fn site(text: &str) -> Result<Site, String> {
    text.parse::<Site>().map_err(|problem| problem.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve over HTTP: POST /hooks/{source}, GET /healthz, /readyz, /metrics
    Serve {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
        listen: SocketAddr,
        /// Use the built-in stand-in cloud instead of the real one
        #[arg(long)]
        sandbox: bool,
    },
    /// Run the stand-in cloud alone, on loopback
    #[cfg(feature = "sandbox")]
    Sandbox(sharehook_sandbox::cli::Arguments),
    /// Start service and sandbox, send signed tickets through the real path, show each step, check
    /// the journal
    #[cfg(feature = "sandbox")]
    Demo {
        /// Stand in for this site of the cloud: intl or cn
        #[arg(long, default_value = "intl", value_name = "SITE", value_parser = site)]
        site: Site,
        /// Keep the demo's folder (configuration, policy, journal) and print its path
        #[arg(long)]
        keep: bool,
    },
    /// Send one event file of a host's shape through the real path
    Invoke {
        /// The event: a Lambda HTTP event, an SQS batch, {"task":"sweep"}, or a native request
        event: PathBuf,
        /// Stop before doing: print what would be done
        #[arg(long)]
        plan: bool,
    },
    /// Check configuration, maps, policies and secrets: every problem with file and line
    Check,
    /// Run your own cases: event, expected request, decision and plan
    Test {
        /// The folder of the cases [default: cases in the policy directory]
        dir: Option<PathBuf>,
    },
    /// Explain a signature check step by step; exit 0 accepted, 2 refused
    Verify(VerifyOptions),
    /// Print the headers of a test delivery, ready for curl
    Sign(SignOptions),
    /// List what can be shared to Lighthouse (all pages)
    Images(ImagesOptions),
    /// Show the journal's requests, or one of them
    Requests {
        /// A request's id, or source/id
        id: Option<String>,
    },
    /// Show the active grants: who has which image, since when, until when, by which ticket and
    /// policy
    Grants(GrantsOptions),
    /// Finish what is unfinished, start what is due, revoke what has expired
    Sweep(SweepOptions),
    /// Compare the cloud's actual shares with the journal; exit 1 on a difference
    Drift(DriftOptions),
    /// Write one self-contained page for people who would rather look; exit 1 when the journal is
    /// not whole
    Report {
        /// The page's file; one that is there is replaced
        #[arg(long, value_name = "FILE")]
        html: PathBuf,
    },
    /// Evidence
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every record against its hash chain and the seals; exit 1 names what was altered,
    /// dropped or put in
    Verify(AuditVerifyOptions),
    /// Seal all records that no seal covers; prints the signed checkpoint, which is worth keeping
    /// elsewhere
    Seal,
    /// Print the public key that checks the seals
    Key,
    /// Print every record in a form that others read
    Export(AuditExportOptions),
    /// Print a proof that a record is sealed; it verifies offline
    Prove {
        /// A request's id, source/id, or the name of its stream
        id: String,
        /// The record's number [default: the newest that is sealed]
        #[arg(long, value_name = "N")]
        seq: Option<u64>,
        /// A place that records were archived to, when the record is not in the journal any more;
        /// several are allowed
        #[arg(long = "archive", value_name = "PLACE")]
        archives: Vec<String>,
    },
    /// Copy the records of old finished requests elsewhere; one record of each stays and answers
    /// for it
    Archive(AuditArchiveOptions),
    /// Check a proof with nothing but the public key; exit 0 proven, 2 not
    CheckProof {
        /// The proof
        file: PathBuf,
        /// The public key, as `audit key` prints it
        #[arg(long, value_name = "KEY")]
        key: String,
    },
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct AuditVerifyOptions {
    /// The public key, as `audit key` prints it [default: that of the configured key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// A checkpoint that was kept elsewhere: shows whether the newest seals were removed
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The journal's place; then no configuration is read
    #[arg(long, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// A place that records were archived to: their copies are checked too; several are allowed
    #[arg(long = "archive", value_name = "PLACE")]
    pub(crate) archives: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditArchiveOptions {
    /// Only requests whose last step is at least so long ago, as in 365d; one day is the least
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: String,
    /// Where the copies go: a place as `journal =` takes it, apart from the journal
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: String,
    /// Remove the copied records from the journal once a seal covers what stands for them
    #[arg(long)]
    pub(crate) delete: bool,
    /// Only say how many requests would be archived; nothing is written
    #[arg(long, conflicts_with = "delete")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditExportOptions {
    /// ocsf: events of OCSF 1.8.0, one JSON object a line; csv: for spreadsheets; jsonl: the
    /// records as they are
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Only records written at this instant or later, RFC 3339
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// Only records written before this instant, RFC 3339
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    Ocsf,
    Csv,
    Jsonl,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GrantsOptions {
    /// Only this image: lhbp-… or img-…
    #[arg(long, value_name = "ID")]
    pub(crate) image: Option<String>,
    /// Only what this account has
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Only what this ticket gave
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
    /// Only grants whose end has passed and that still stand
    #[arg(long)]
    pub(crate) expired: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepOptions {
    /// First read every record and write what the index lacks that tells sweeps what is due
    #[arg(long)]
    pub(crate) rebuild: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DriftOptions {
    /// Look at this image too, although the journal does not name it; needs --region
    #[arg(long = "image", value_name = "ID", requires = "region")]
    pub(crate) images: Vec<String>,
    /// The region of every --image
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Cancel what is shared without any grant, as requests that the policy decides and the journal
    /// records
    #[arg(long, requires = "requester")]
    pub(crate) revoke_unknown: bool,
    /// Who asks for it: a source with scheme "trusted", and a requester, as in
    /// invoke/alice@example.com
    #[arg(long = "as", value_name = "SOURCE/REQUESTER")]
    pub(crate) requester: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyOptions {
    /// A configured source
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "scheme",
        conflicts_with = "scheme"
    )]
    pub(crate) source: Option<String>,
    /// A preset, without a configuration file
    #[arg(long, value_name = "NAME", requires = "secrets")]
    pub(crate) scheme: Option<String>,
    /// The secret, with --scheme; several while rotating
    #[arg(long = "secret", value_name = "S")]
    pub(crate) secrets: Vec<String>,
    /// A header of the delivery, as 'Name: value'
    #[arg(long = "header", short = 'H', value_name = "N: V")]
    pub(crate) headers: Vec<String>,
    /// The delivery's body
    #[arg(long, value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// The instant of receipt, RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "T")]
    pub(crate) now: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SignOptions {
    /// A configured source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// The body to sign
    #[arg(long, value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// The delivery's id [default: one made of the body and the time]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// The signing time, RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "T")]
    pub(crate) now: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImagesOptions {
    /// The region
    #[arg(long, value_name = "R")]
    pub(crate) region: String,
    /// Only these images; not together with --filter
    #[arg(long = "image", value_name = "ID", conflicts_with = "filters")]
    pub(crate) images: Vec<String>,
    /// image-id, image-name or image-type, as NAME=VALUE; the same name again adds a value
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    pub(crate) filters: Vec<String>,
}
