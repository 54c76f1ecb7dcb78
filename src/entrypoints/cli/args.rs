//! The arguments, as the contract names them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Turns an approved ticket into a cloud image share, and into nothing else.
///
/// Without a command it finds its host from the environment: AWS Lambda (AWS_LAMBDA_RUNTIME_API), SCF (SCF_RUNTIME_API), or HTTP on the
/// host's port variable (FUNCTIONS_CUSTOMHANDLER_PORT, PORT, FC_SERVER_PORT).
#[derive(Debug, Parser)]
#[command(
    name = "sharehook",
    version,
    after_help = "Exit codes: 0 done, 1 failed or differs, 2 refused or denied, 3 configuration or policy invalid, 64 usage."
)]
pub(crate) struct Args {
    /// The configuration file [default: SHAREHOOK_CONFIG, else sharehook.toml beside the binary or here]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
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
    Sandbox {
        /// Where to listen; loopback only
        #[arg(long, default_value = "127.0.0.1:18300", value_name = "ADDR")]
        listen: SocketAddr,
        /// Make calls fail: ACTION:KIND[:ARG][@TIMES], for example ShareBlueprintAcrossAccounts:reset-after@1
        #[arg(long = "fault", value_name = "FAULT")]
        faults: Vec<String>,
    },
    /// Start service and sandbox, send signed tickets through the real path, show each step, check the journal
    #[cfg(feature = "sandbox")]
    Demo {
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
    /// Show the active grants: who has which image, since when, until when, by which ticket and policy
    Grants,
    /// Finish what is unfinished, start what is due, revoke what has expired
    Sweep,
    /// Evidence
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every record of the journal against its hash chain; exit 1 names the first that was altered
    Verify,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyOptions {
    /// A configured source
    #[arg(long, value_name = "NAME", required_unless_present = "scheme", conflicts_with = "scheme")]
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
