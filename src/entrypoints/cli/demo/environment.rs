//! The demo's environment: a folder with configuration, policy and journal, a sandbox, and the
//! service. [`Demo`] builds this environment, gives access to it, and removes it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{Prepared, http_client, open_journal, seal_journal, signer};
use crate::clock::{self, Clock};
use crate::config::{AwsSecrets, Config, Site, Vars};
use crate::entrypoints::cli::Failure;
use crate::entrypoints::cli::print::errln;
use crate::entrypoints::cli::sandbox;
use crate::entrypoints::http::server::{self, Bounds, Handler};
use crate::entrypoints::http::{respond, unread_of};
use crate::inbound::{SchemeSpec, sign};
use crate::journal::Report;
use sharehook_sandbox::{Running, Sandbox};

use super::folder::{first_entry, write_folder};
use super::output::{Answered, Output};

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

pub(super) struct Demo {
    pub(super) out: Output,
    folder: PathBuf,
    vars: Vars,
    config: Config,
    scheme: SchemeSpec,
    secret: SecretString,
    cloud: Running,
    url: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<()>,
}

impl Demo {
    /// Writes the folder, and starts the sandbox and the service.
    pub(super) async fn build(out: Output, vars: &Vars, site: Site) -> Result<Self, Failure> {
        let mark = hex::encode(clock::fresh_bytes::<8>().map_err(Failure::failed)?);
        let folder = std::env::temp_dir().join(format!("sharehook-demo-{mark}"));
        let cloud = Sandbox::start(sandbox::options(site)).await;
        let cloud = cloud.map_err(Failure::failed)?;
        let secret: String = (0..4)
            .map(|_| clock::fresh_bytes::<8>().map(hex::encode))
            .collect::<Result<_, _>>()
            .map_err(Failure::failed)?;
        write_folder(&folder, site, &cloud.url(), &secret)
            .map_err(|e| Failure::Failed(format!("{}: {e}", folder.display())))?;
        let vars = sandbox::vars_for(&without_overrides(vars), &cloud.url());
        let config = Config::load(&folder.join("sharehook.toml"), &vars, &AwsSecrets::new())
            .map_err(Failure::failed)?;
        let scheme = config
            .sources
            .first()
            .map(|s| s.scheme.clone())
            .ok_or_else(|| Failure::failed("the demo has no source"))?;
        let prepared = Prepared::new(config.clone()).map_err(Failure::Invalid)?;
        let app = prepared.open(&vars, Clock::System).await?;
        let listener = server::bind(SocketAddr::from((LOOPBACK, 0)))
            .await
            .map_err(Failure::failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(Failure::failed)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Arc::new(app);
        let bounds = Bounds {
            max_connections: config.http.max_connections,
            body_bytes: config.body_limit,
        };
        let notifier = tokio::spawn(Arc::clone(&app).deliver_notifications());
        let unread = unread_of(&app);
        let handler: Handler = Box::new(move |request| {
            let app = Arc::clone(&app);
            Box::pin(async move { respond(&app, request, app.budget()).await })
        });
        let handlers = (handler, unread);
        let service = tokio::spawn(server::serve(handlers, bounds, listener, async move {
            drop(stopped.await);
            notifier.abort();
        }));
        let cloud_url = cloud.url();
        out.fact(
            "cloud",
            &format!("{cloud_url} is a stand-in that checks every signature itself"),
        );
        out.fact("sharehook", &format!("{url} receives POST /hooks/jira"));
        out.fact("tickets", &format!("{cloud_url}/inbox stands in for Jira"));
        out.fact("folder", &folder.display().to_string());
        let client = http_client().map_err(Failure::failed)?;
        let secret = SecretString::from(secret);
        let stop = Some(stop);
        Ok(Self {
            out,
            folder,
            vars,
            config,
            scheme,
            secret,
            cloud,
            url,
            client,
            stop,
            service,
        })
    }

    /// Signs `body` as the demo's source does, and returns the headers of the delivery.
    fn headers(&self, body: &str) -> Result<Vec<(String, String)>, Failure> {
        let now = clock::system_now();
        sign(&self.scheme, &self.secret, body.as_bytes(), "demo", now).map_err(Failure::failed)
    }

    pub(super) async fn send_signed(&self, body: &str) -> Result<Answered, Failure> {
        let headers = self.headers(body)?;
        self.post(body.to_owned(), headers).await
    }

    /// Signs `body`, but sends the signature with a body that differs in one byte.
    pub(super) async fn send_forged(&self, body: &str) -> Result<Answered, Failure> {
        let headers = self.headers(body)?;
        self.post(body.replacen("SHARE-101", "SHARE-102", 1), headers)
            .await
    }

    async fn post(
        &self,
        body: String,
        headers: Vec<(String, String)>,
    ) -> Result<Answered, Failure> {
        let mut request = self
            .client
            .post(format!("{}/hooks/jira", self.url))
            .body(body);
        for (name, value) in headers {
            if !name.eq_ignore_ascii_case("content-type") {
                request = request.header(name, value);
            }
        }
        let answer = request
            .header("content-type", "application/json")
            .send()
            .await
            .map_err(Failure::failed)?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(Failure::failed)?;
        let body = serde_json::from_slice(&bytes)
            .map_err(|e| Failure::Failed(format!("the answer is not JSON: {e}")))?;
        Ok(Answered { status, body })
    }

    pub(super) fn calls(&self) -> usize {
        self.cloud.calls().len()
    }

    /// Returns how many sharing calls the sandbox has verified and carried out.
    pub(super) fn verified_shares(&self) -> usize {
        let shared = |call: &&sharehook_sandbox::Call| {
            call.action == "ShareBlueprintAcrossAccounts" && call.carried_out
        };
        self.cloud.calls().iter().filter(shared).count()
    }

    pub(super) fn has_share(&self, account: &str) -> bool {
        let world = self.cloud.state();
        let blueprint = world
            .regions
            .get("ap-singapore")
            .and_then(|stock| stock.blueprints.get("lhbp-6jc6l8yb"));
        blueprint.is_some_and(|blueprint| blueprint.shares.contains_key(account))
    }

    /// Waits for a limited time until the ticket has at least `wanted` comments in the stand-in
    /// for Jira. Returns the ticket's comments.
    pub(super) async fn comments(&self, ticket: &str, wanted: usize) -> Vec<String> {
        let path = format!("/rest/api/2/issue/{ticket}/comment");
        let written = || -> Vec<String> {
            let letters = self.cloud.letters().into_iter();
            let comments = letters.filter(|letter| letter.method == "POST" && letter.path == path);
            let text = |letter: sharehook_sandbox::Letter| {
                let body: Value = serde_json::from_str(&letter.body).ok()?;
                Some(body.get("body")?.as_str()?.to_owned())
            };
            comments.filter_map(text).collect()
        };
        soon(|| written().len() >= wanted).await;
        written()
    }

    pub(super) fn journal_has(&self, record: &str) -> bool {
        !record.is_empty() && self.folder.join("journal").join(record).is_file()
    }

    /// Waits for a limited time until the journal has exactly `wanted` records of delivered
    /// notifications. Returns whether it has them.
    pub(super) async fn holds_notified(&self, wanted: usize) -> bool {
        let requests = self.folder.join("journal").join("requests");
        let files = || {
            let streams = fs::read_dir(&requests).into_iter().flatten().flatten();
            streams.flat_map(|stream| fs::read_dir(stream.path()).into_iter().flatten().flatten())
        };
        let is_notified = |file: &fs::DirEntry| {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            text.contains("\"type\":\"notified\"")
        };
        soon(|| files().filter(is_notified).count() == wanted).await
    }

    /// Seals the journal, as `serve` does automatically after writes.
    pub(super) async fn seal(&self) -> Result<(), Failure> {
        let journal = open_journal(&self.config, &self.vars)?;
        seal_journal(&self.config, &journal, clock::system_now()).await?;
        Ok(())
    }

    /// Verifies the journal as `audit verify` does.
    pub(super) async fn verify(&self) -> Result<Report, Failure> {
        let journal = open_journal(&self.config, &self.vars).map_err(Failure::failed)?;
        let signer = signer(&self.config)?;
        let signer = signer.ok_or_else(|| Failure::failed("the journal has no key"))?;
        Ok(journal.verify_sealed(signer.verifier(), None).await?)
    }

    /// Changes the middle byte of the first file with a record. Returns the position of that byte,
    /// and the path of the file relative to the journal.
    pub(super) fn flip_one_byte(&self) -> Result<(usize, String), Failure> {
        let requests = self.folder.join("journal").join("requests");
        let stream = first_entry(&requests)?;
        let file = first_entry(&stream)?;
        let mut bytes = fs::read(&file).map_err(Failure::failed)?;
        let middle = bytes.len() / 2;
        let byte = bytes
            .get_mut(middle)
            .ok_or_else(|| Failure::failed("a record is empty"))?;
        *byte = if *byte == b'0' { b'1' } else { b'0' };
        fs::write(&file, bytes).map_err(Failure::failed)?;
        let name = file
            .strip_prefix(self.folder.join("journal"))
            .map_err(Failure::failed)?
            .display()
            .to_string();
        Ok((middle, name))
    }

    /// Stops everything, and removes the folder unless `keep` is true. Returns whether all checks
    /// passed.
    pub(super) async fn stop(mut self, keep: bool) -> bool {
        drop(self.stop.take());
        drop(tokio::time::timeout(Duration::from_secs(5), &mut self.service).await);
        self.cloud.stop().await;
        if keep {
            self.out.fact("kept", &self.folder.display().to_string());
        } else if let Err(error) = fs::remove_dir_all(&self.folder) {
            errln!("cannot remove {}: {error}", self.folder.display());
        }
        self.out.end()
    }
}

/// Removes the SHAREHOOK_ variables, which would override the demo's configuration.
fn without_overrides(vars: &Vars) -> Vars {
    vars.iter()
        .filter(|(name, _)| !name.starts_with("SHAREHOOK_"))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Waits for at most five seconds until the condition is true. Returns whether it became true.
async fn soon(holds: impl Fn() -> bool) -> bool {
    for _ in 0..100 {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
