//! Defines the command line. clap prints the comments of [`Args`], of the commands and of the
//! fields as help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::app::Operator;
use crate::domain::{CvmImageId, ImageRef, Region, Span, Timestamp};

use super::audit_args::Audit;
use super::filters::{header, image_filter, instant, operator, read};
#[cfg(feature = "cli")]
use super::init::InitOptions;
use super::list_args::{
    ExplainOptions, GrantsOptions, NotifyOptions, ReportOptions, RequestsOptions,
};

#[cfg(feature = "sandbox")]
use crate::domain::Site;

/// The default address of the stand-in cloud.
#[cfg(feature = "sandbox")]
const SANDBOX_ADDRESS: &str = sharehook_sandbox::cli::DEFAULT_ADDRESS;
#[cfg(not(feature = "sandbox"))]
const SANDBOX_ADDRESS: &str = "127.0.0.1:18300";

/// Turns an approved ticket into a cloud image share, and into nothing else.
///
/// Without a command, sharehook serves the host that the environment names:
/// AWS Lambda (AWS_LAMBDA_RUNTIME_API), Tencent SCF (SCF_RUNTIME_API),
/// or HTTP on the host's port variable (FUNCTIONS_CUSTOMHANDLER_PORT, PORT,
/// FC_SERVER_PORT).
#[derive(Debug, Parser)]
#[command(
    name = "sharehook",
    version,
    max_term_width = 80,
    verbatim_doc_comment,
    after_help = "Exit codes: 0 done, 1 failed, differs or overdue, 2 refused or denied,\n3 configuration or policy invalid, 64 usage."
)]
pub(crate) struct Args {
    /// The configuration file [default: SHAREHOOK_CONFIG, then
    /// sharehook.toml beside the binary, then in this folder]
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
    /// Serve over HTTP: /hooks/{source}, /events, probes, /metrics
    Serve(ServeOptions),
    /// Run only the stand-in cloud, on loopback
    #[cfg(feature = "sandbox")]
    Sandbox(sharehook_sandbox::cli::Arguments),
    /// Demonstrate the product in a minute, on this machine only
    ///
    /// Starts the service and the sandbox, sends signed tickets, shows each
    /// step and checks the journal.
    #[cfg(feature = "sandbox")]
    Demo {
        /// Site of the cloud to imitate: intl or cn
        #[arg(long, default_value = "intl", value_name = "SITE", value_parser = read::<Site>)]
        site: Site,
        /// Keep the demo's folder and print its path
        #[arg(long)]
        keep: bool,
    },
    /// Process one event file as its host would
    Invoke {
        /// An event of a function host, as in events/, or a native request
        event: PathBuf,
        /// Print the plan without carrying it out
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        cloud: CloudChoice,
    },
    /// Make a working folder: configuration, policy, maps, secrets
    ///
    /// Its README.md has the next three steps.
    #[cfg(feature = "cli")]
    Init(InitOptions),
    /// Collect what the program reads at start, for a package or image
    ///
    /// Copies the configuration, its policies, maps and certificates, and
    /// checks the copy. Copies no secret.
    #[cfg(feature = "cli")]
    Bundle {
        /// A new or empty folder
        dir: PathBuf,
    },
    /// Find everything that would stop or endanger the deployment
    ///
    /// Reads configuration, maps, policies, secrets and files for a host. Exit
    /// 0 if it finds nothing or only warnings.
    Check,
    /// Examine this deployment: journal, policy, seal, cloud, clock
    ///
    /// Reads the cloud and changes nothing there. Exit 1 if the deployment
    /// cannot work.
    Doctor,
    /// Run your test cases: event, expected decision, request and plan
    ///
    /// Needs no secret and changes nothing. Exit 1 when a case fails or none
    /// runs.
    Test(TestOptions),
    /// Show the requests of a body, their decisions and their calls
    ///
    /// Needs no secret, no server and no signature, and changes nothing.
    /// Exit 0 allowed or ignored, 2 denied or invalid.
    Try(TryOptions),
    /// Explain a signature check; exit 0 accepted, 2 refused
    Verify(VerifyOptions),
    /// Print the headers of a test delivery, ready for curl
    ///
    /// For an approval system, prints the query and the encrypted body too, and
    /// puts the present time into the event. FILE may hold an object with the
    /// event and its instance.
    Sign(SignOptions),
    /// List CVM images, and whether each can be shared to Lighthouse
    Images(ImagesOptions),
    /// List the journal's requests, newest first, or show one of them
    Requests(RequestsOptions),
    /// Explain one request: who, what, why, its calls, what is next
    Explain(ExplainOptions),
    /// Decide a failed, denied or partial request again
    ///
    /// The policies decide for the original requester and approvers. Exit 2 if
    /// the request is denied again or cannot be reopened.
    Retry(RetryOptions),
    /// Revoke active shares now and call off unfinished ones
    ///
    /// The policies decide each cancel, and the journal records it.
    Revoke(RevokeOptions),
    /// List grants not yet revoked: image, receiver, period, ticket
    ///
    /// Exit 1 if one of them is overdue.
    Grants(GrantsOptions),
    /// Finish open requests, start due ones, revoke expired shares
    Sweep(SweepOptions),
    /// List notifications: owed, sent and given up; or deliver again
    Notify(NotifyOptions),
    /// Compare the cloud with the journal; exit 1 if they differ
    ///
    /// Exit 1 also if a part could not be compared.
    Drift(DriftOptions),
    /// Write the whole journal as one HTML page
    ///
    /// What needs attention comes first. Exit 1 when the journal is damaged or a
    /// share is overdue.
    Report(ReportOptions),
    /// Verify, seal, export and retire the journal
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
    /// Print the completions of a shell
    #[cfg(feature = "cli")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages: one for the program, one for each command
    #[cfg(feature = "cli")]
    Man {
        /// The folder in which to write man1/
        dir: PathBuf,
    },
}

/// Which cloud a command calls.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct CloudChoice {
    /// Call the stand-in cloud [at 127.0.0.1:18300], not the real one
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = SANDBOX_ADDRESS
    )]
    pub(crate) sandbox: Option<SocketAddr>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeOptions {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Start a stand-in cloud [at 127.0.0.1:18300] and call it, not the
    /// real one
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = SANDBOX_ADDRESS
    )]
    pub(crate) sandbox: Option<SocketAddr>,
    #[cfg(feature = "sandbox")]
    #[command(flatten)]
    pub(crate) stocked: sharehook_sandbox::cli::Stocked,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RetryOptions {
    /// A request's id, or source/id
    pub(crate) id: String,
    /// Who reopens the request; recorded, but no policy sees it
    #[arg(long = "as", value_name = "SOURCE/REQUESTER", value_parser = operator)]
    pub(crate) operator: Operator,
    /// The reason, which is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) cloud: CloudChoice,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RevokeOptions {
    /// The image: lhbp-… or img-…
    #[arg(long, value_name = "ID")]
    pub(crate) image: String,
    /// Only from this account, or Lighthouse; repeatable
    #[arg(long = "account", value_name = "ID")]
    pub(crate) accounts: Vec<String>,
    /// The trusted source and requester of the cancel
    #[arg(long = "as", value_name = "SOURCE/REQUESTER", value_parser = operator)]
    pub(crate) operator: Operator,
    /// The reason, which is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Confirm that the image is deleted: a share that the cloud does not have counts as revoked
    #[arg(long)]
    pub(crate) gone: bool,
    #[command(flatten)]
    pub(crate) cloud: CloudChoice,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepOptions {
    /// Rebuild the index of due work from the records first
    #[arg(long)]
    pub(crate) rebuild: bool,
    #[command(flatten)]
    pub(crate) cloud: CloudChoice,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DriftOptions {
    /// Compare this image too; needs --region
    #[arg(long = "image", value_name = "ID", requires = "region", value_parser = read::<ImageRef>)]
    pub(crate) images: Vec<ImageRef>,
    /// The region of every --image
    #[arg(long, value_name = "R", value_parser = read::<Region>)]
    pub(crate) region: Option<Region>,
    /// Record and notify the differences, as a schedule of a function does
    #[arg(long, conflicts_with_all = ["images", "revoke_unknown", "adopt"])]
    pub(crate) scheduled: bool,
    /// Cancel shares that no request names, if the policies allow it
    #[arg(long, requires = "requester", conflicts_with = "adopt")]
    pub(crate) revoke_unknown: bool,
    /// Adopt shares without a grant under a ticket and an expiry, if the policies allow it
    #[arg(long, requires_all = ["requester", "ticket", "expires", "approvers"])]
    pub(crate) adopt: bool,
    /// The ticket that approved the adoption
    #[arg(long, value_name = "ID", requires = "adopt")]
    pub(crate) ticket: Option<String>,
    /// How long from now adopted shares last, as in 30d
    #[arg(long, value_name = "SPAN", requires = "adopt", value_parser = read::<Span>)]
    pub(crate) expires: Option<Span>,
    /// An approver of the adoption; repeatable
    #[arg(long = "approved-by", value_name = "NAME", requires = "adopt")]
    pub(crate) approvers: Vec<String>,
    /// The trusted source and requester of the cancel or the adoption
    #[arg(long = "as", value_name = "SOURCE/REQUESTER", value_parser = operator)]
    pub(crate) requester: Option<Operator>,
    #[command(flatten)]
    pub(crate) cloud: CloudChoice,
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
    /// A preset, instead of a configured source
    #[arg(long, value_name = "NAME", requires = "secrets")]
    pub(crate) scheme: Option<String>,
    /// The secret, with --scheme; repeatable
    #[arg(long = "secret", value_name = "S")]
    pub(crate) secrets: Vec<String>,
    /// A receiver that events may name, with --scheme; repeatable
    #[arg(long, value_name = "ID", requires = "scheme")]
    pub(crate) from: Vec<String>,
    /// The query of the delivery's address, or the whole address
    #[arg(long, value_name = "QUERY")]
    pub(crate) query: Option<String>,
    /// A header of the delivery, as 'Name: value'
    #[arg(long = "header", short = 'H', value_name = "N: V", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// The delivery's body
    #[arg(long, value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// When the delivery arrives: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) now: Option<Timestamp>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TestOptions {
    /// The folder of the cases [default: `cases` in the policy directory]
    pub(crate) dir: Option<PathBuf>,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a case for this event that expects its present outcome; needs --source
    #[arg(long, value_name = "EVENT", requires = "source")]
    pub(crate) record: Option<PathBuf>,
    /// The configured source of the recorded event
    #[arg(long, value_name = "NAME", requires = "record")]
    pub(crate) source: Option<String>,
    /// When the recorded event arrives: RFC 3339 or Unix seconds
    /// [default: now]
    #[arg(long, value_name = "T", requires = "record", value_parser = instant)]
    pub(crate) now: Option<Timestamp>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TryOptions {
    /// The configured source that sends the body
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// The body, as the source sends it
    #[arg(long, value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// When the body arrives: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) now: Option<Timestamp>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SignOptions {
    /// A configured source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// The body to sign
    #[arg(long, value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// The delivery's id [default: derived from body and time]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// When the delivery is sent: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) now: Option<Timestamp>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImagesOptions {
    /// The region
    #[arg(long, value_name = "R", value_parser = read::<Region>)]
    pub(crate) region: Region,
    /// Only this image; not with --filter, repeatable
    #[arg(
        long = "image",
        value_name = "ID",
        conflicts_with = "filters",
        value_parser = read::<CvmImageId>
    )]
    pub(crate) images: Vec<CvmImageId>,
    /// Only images with this image-id, image-name or image-type; repeatable
    #[arg(long = "filter", value_name = "NAME=VALUE", value_parser = image_filter)]
    pub(crate) filters: Vec<(&'static str, String)>,
    #[command(flatten)]
    pub(crate) cloud: CloudChoice,
}
