//! Prepares a notification target from its configuration: compiles the template and builds the HTTP
//! client. Returns problems with their places.

use std::time::Duration;

use crate::cloud::client::{self, Client, Outgoing};
use crate::config::NotifyConfig;
use crate::domain::{Problem, Problems};
use crate::inbound::{SchemeName, SchemeSpec, Verifier};
use crate::notify::{Address, Auth, Template};

#[derive(Debug)]
pub(in crate::app) struct Target {
    pub(in crate::app) config: NotifyConfig,
    pub(super) template: Template,
    pub(in crate::app) client: Client,
}

impl Target {
    pub(in crate::app) fn new(config: &NotifyConfig) -> Result<Self, Problems> {
        let name = &config.subscription.name;
        let here = |Problems(found): Problems| {
            let placed = |p: Problem| {
                let text = format!("notify {name}: {}: {}", p.field, p.problem);
                Problem::at(config.mark.clone(), text, p.remedy)
            };
            Problems(found.into_iter().map(placed).collect())
        };
        let template = match &config.map {
            Some((path, text)) => Template::load(text, path, config.language)?,
            None => {
                let preset = config.preset;
                Template::load(preset.row().template, preset.as_str(), config.language)?
            }
        };
        if let Auth::Signed(secret) = &config.auth {
            let scheme = SchemeSpec::preset(SchemeName::StandardWebhooks);
            // Signing secrets must be as strong as those of a source.
            Verifier::new(scheme, vec![secret.clone()], Vec::new()).map_err(here)?;
        }
        let client = client::http_client_for(config.proxy.as_deref(), &config.ca).map_err(here)?;
        Ok(Self {
            config: config.clone(),
            template,
            client,
        })
    }

    /// Whether the target's messages end a waiting Step Functions task.
    pub(super) fn ends_task(&self) -> bool {
        matches!(self.config.auth, Auth::Aws(_))
    }
}

/// Sends a HEAD request to an address, and returns the status of the answer even if it is an error
/// status.
pub(in crate::app) async fn probe(
    client: &Client,
    at: &Address,
    longest: Duration,
) -> Result<u16, String> {
    let url = at.join("");
    let url = url.map_err(|error| error.to_string())?;
    let asked = client::send(
        client,
        Outgoing {
            method: "HEAD",
            url,
            headers: Vec::new(),
            body: Vec::new(),
        },
        longest,
    );
    asked
        .await
        .map(|answer| answer.status)
        .map_err(|error| error.to_string())
}
