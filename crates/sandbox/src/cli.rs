//! The sandbox as a command: its arguments, and a server that runs until Ctrl-C. Used by this
//! package's program, and by programs that offer the sandbox as a subcommand.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;

use super::accounts::AccountKind;
use super::behaviour::{Behaviour, Reading, Site};
use super::fault::Fault;
use super::options::SandboxOptions;
use super::seed::{AddedImage, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
use super::server::Sandbox;

/// The default address, on which a sandbox listens and to which clients connect.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:18300";

/// The images and accounts of a sandbox besides the seeded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Stocked {
    /// Add a custom image to the stand-in cloud; repeatable
    #[arg(long = "image", value_name = "ID[:REGION]")]
    pub images: Vec<AddedImage>,
    /// Add a root account that can receive images; repeatable
    #[arg(long = "account", value_name = "ID", value_parser = account)]
    pub accounts: Vec<String>,
    /// Keep the stand-in cloud's state in this file
    #[arg(long = "state", value_name = "FILE")]
    pub state: Option<PathBuf>,
}

impl Stocked {
    /// Returns `options` with these images, these accounts and this state file.
    #[must_use]
    pub fn applied_to(self, options: SandboxOptions) -> SandboxOptions {
        SandboxOptions {
            images: self.images,
            accounts: self.accounts,
            state_file: self.state,
            ..options
        }
    }
}

/// The arguments of the sandbox command.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Address to listen on; loopback only
    #[arg(long, default_value = DEFAULT_ADDRESS, value_name = "ADDR", value_parser = loopback)]
    pub listen: SocketAddr,
    /// The images, accounts and state file in addition to the seeded world
    #[command(flatten)]
    pub stocked: Stocked,
    /// The faults to inject.
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help = "Make calls fail: ACTION:KIND[:ARG][@TIMES], for example \
                ShareBlueprintAcrossAccounts:reset-after@1; a wrong KIND prints the list"
    )]
    pub faults: Vec<Fault>,
    /// Site to imitate: intl, which cannot list the accounts of a blueprint, or cn
    #[arg(long, default_value = "intl", value_name = "SITE")]
    pub site: Site,
    /// File with the real cloud's answers to open questions, written by scripts/real-cloud
    #[arg(long, value_name = "FILE", conflicts_with = "site")]
    pub reading: Option<PathBuf>,
}

impl Arguments {
    fn behaviour(&self) -> io::Result<Behaviour> {
        let Some(path) = &self.reading else {
            return Ok(Behaviour::of(self.site));
        };
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(named)?;
        let reading = Reading::parse(&text).map_err(|error| named(error.into()))?;
        Ok(reading.behaviour())
    }
}

/// Starts a sandbox, prints its address and keys (as JSON if `json` is true), and serves until
/// Ctrl-C.
///
/// # Errors
/// Fails if the address cannot be bound, the reading or the state cannot be read, the state cannot
/// be written, or the system has no randomness.
pub async fn run(arguments: Arguments, json: bool, clock: fn() -> Timestamp) -> io::Result<()> {
    let behaviour = arguments.behaviour()?;
    let options = SandboxOptions {
        behaviour,
        listen: arguments.listen,
        faults: arguments.faults,
        ..SandboxOptions::seeded(clock)
    };
    let running = Sandbox::start(arguments.stocked.applied_to(options)).await?;
    let url = running.url();
    let (id, key) = (SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY);
    let text = if json {
        serde_json::json!({ "url": url, "secret_id": id, "secret_key": key }).to_string()
    } else {
        format!(
            "stand-in cloud on {url}\n  \
             TENCENTCLOUD_SECRET_ID={id}\n  \
             TENCENTCLOUD_SECRET_KEY={key}\n  \
             state: GET {url}/sandbox/state   calls: GET {url}/sandbox/calls"
        )
    };
    // Ignore an error, so that the sandbox keeps serving after the reader of standard output has
    // gone.
    drop(writeln!(io::stdout().lock(), "{text}"));
    drop(tokio::signal::ctrl_c().await);
    running.stop().await;
    Ok(())
}

fn account(text: &str) -> Result<String, String> {
    match AccountKind::of(text) {
        AccountKind::Malformed => {
            Err("write the decimal id of an account, as in 700000164995".to_owned())
        }
        AccountKind::Owner => Err("this account owns the images; name another one".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write IP:PORT, as in 127.0.0.1:18300".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(
            "the sandbox's key is public, so it listens on loopback only; use 127.0.0.1:PORT"
                .to_owned(),
        );
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn an_address_that_is_not_loopback_is_refused() {
        let parse = |address| Program::try_parse_from(["sandbox", "--listen", address]);
        for good in ["127.0.0.1:0", "[::1]:18300"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["0.0.0.0:18300", "192.0.2.1:80", "localhost:80", "127.0.0.1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_site_or_a_reading_decides_the_behaviour() {
        let behaviour = |arguments: &[&str]| {
            let program = Program::try_parse_from([&["sandbox"], arguments].concat());
            program.unwrap().arguments.behaviour()
        };
        assert!(!behaviour(&[]).unwrap().read_shares_api);
        assert!(behaviour(&["--site", "cn"]).unwrap().read_shares_api);
        assert!(Program::try_parse_from(["sandbox", "--site", "mars"]).is_err());
        let path = std::env::temp_dir().join(format!("reading-{}.json", std::process::id()));
        let text = r#"{"site": "intl", "shares_published_blueprints": false}"#;
        fs::write(&path, text).unwrap();
        let name = path.to_str().unwrap();
        let read = behaviour(&["--reading", name]).unwrap();
        assert!(!read.shares_published_blueprints);
        fs::write(&path, "{").unwrap();
        let error = behaviour(&["--reading", name]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(behaviour(&["--reading", name]).is_err());
    }

    #[test]
    fn images_and_accounts_are_added_to_the_seeded_world() {
        let parse = |arguments: &[&str]| {
            let program = Program::try_parse_from([&["sandbox"], arguments].concat());
            program.map(|program| program.arguments.stocked)
        };
        let stocked = parse(&["--image", "lhbp-abcdef01", "--account", "777000000001"]).unwrap();
        assert_eq!(stocked.images[0].region, None);
        assert_eq!(stocked.accounts, ["777000000001"]);
        let elsewhere = parse(&["--image", "img-abcdef01:eu-frankfurt"]).unwrap();
        assert_eq!(elsewhere.images[0].region.as_deref(), Some("eu-frankfurt"));
        for bad in ["lhbp-x", "ami-abcdef01", "img-abcdef01:", "img-abcdef01:EU"] {
            assert!(parse(&["--image", bad]).is_err(), "{bad}");
        }
        for bad in ["alice", "0123456789", super::super::SANDBOX_OWNER] {
            assert!(parse(&["--account", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_are_read_where_they_are_written() {
        let good = [
            "sandbox",
            "--fault",
            "*:status:502@2",
            "--fault",
            "*:html-ok",
        ];
        let program = Program::try_parse_from(good).unwrap();
        assert_eq!(program.arguments.faults.len(), 2);
        let refused = Program::try_parse_from(["sandbox", "--fault", "*:no-such-kind"]);
        assert!(refused.unwrap_err().to_string().contains("no-such-kind"));
    }
}
