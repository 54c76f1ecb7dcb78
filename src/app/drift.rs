//! Drift: compares the cloud's shares with the active grants, per image and region. In: the journal
//! and the cloud's answers. Out: differences, and the images that could not be read. Changes nothing
//! itself: a cancel of an unknown share is a request like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::json;

use crate::domain::{Action, CloudError, CvmImageId, ImageRef, Region, SourceName, Target};
use crate::journal::{JournalError, Phase, State};

use super::{Answer, App, Deadline, Delivery, Ending, Reply, Via};

/// The name of Lighthouse as a receiver.
const LIGHTHOUSE: &str = "Lighthouse";

/// How the cloud and the journal differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Shared, but no request in the journal names it.
    Unknown,
    /// A grant is active, but the cloud does not share it.
    Missing,
    /// Shared, although its grant has ended.
    Extra,
}

/// One receiver for which the cloud and the journal differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Drifted {
    /// The image.
    pub image: String,
    /// Its region.
    pub region: String,
    /// An account, or Lighthouse.
    pub to: String,
    /// The kind of difference.
    pub difference: Difference,
}

/// An image whose shares could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The image.
    pub image: String,
    /// Its region.
    pub region: String,
    /// The reason.
    pub why: String,
    /// True when the site has no API for it, which is not a failure.
    pub no_read_api: bool,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DriftReport {
    /// How many images were compared.
    pub compared: usize,
    /// The differences, by image, region and receiver.
    pub differences: Vec<Drifted>,
    /// The images that could not be compared.
    pub unread: Vec<Unread>,
    /// Journal streams that could not be read, each with its reason.
    pub flaws: Vec<String>,
    /// The answers to the requested cancels.
    pub cancels: Vec<Answer>,
}

/// Why unknown shares were not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelUnknownError {
    /// The source cannot request anything without a signature.
    #[error("{0} is not a source with scheme = \"trusted\"; name one that is")]
    NotTrusted(SourceName),
    /// The source's own rules refused the delivery.
    #[error("{by} did not take the cancel of {image}: {reply:?}")]
    NotTaken {
        /// The source.
        by: SourceName,
        /// The image that stays shared.
        image: String,
        /// The answer to the delivery.
        reply: Box<Reply>,
    },
}

impl DriftReport {
    /// Whether nothing differs and nothing failed, as far as the site's APIs show.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
            && self.flaws.is_empty()
            && self.unread.iter().all(|u| u.no_read_api)
    }
}

impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for drifted in &self.differences {
            let said = match drifted.difference {
                Difference::Unknown => "unknown: shared, but no request gave it",
                Difference::Missing => "missing: given, but not shared any more",
                Difference::Extra => "extra: shared, although its grant has ended",
            };
            writeln!(
                f,
                "{} in {}, {}: {said}",
                drifted.image, drifted.region, drifted.to
            )?;
        }
        for unread in &self.unread {
            writeln!(
                f,
                "{} in {}: not compared: {}",
                unread.image, unread.region, unread.why
            )?;
        }
        for answer in &self.cancels {
            let told = answer
                .results
                .iter()
                .map(|r| format!("{}: {:?}", r.item, r.kind));
            let refused = answer.refused.iter().map(ToString::to_string);
            let why: Vec<String> = told.chain(refused).chain(answer.message.clone()).collect();
            writeln!(
                f,
                "cancel {}: {} ({})",
                answer.id,
                answer.status,
                why.join("; ")
            )?;
        }
        write!(
            f,
            "{} images compared, {} differences",
            self.compared,
            self.differences.len()
        )
    }
}

/// The journal's view of one image in one region.
#[derive(Debug, Default)]
struct Known {
    /// Receivers with an active grant.
    granted: BTreeSet<String>,
    /// Receivers that any request names.
    named: BTreeSet<String>,
    /// Whether any request was about the image in Lighthouse.
    lighthouse: bool,
}

type Places = BTreeMap<(ImageRef, Region), Known>;

impl App {
    /// Compares the cloud with the journal, for every image that the journal names and those in
    /// `also`.
    ///
    /// # Errors
    /// When the journal cannot be listed; what the cloud does not answer is in the report.
    pub async fn drift(
        &self,
        also: &[(ImageRef, Region)],
        deadline: Deadline,
    ) -> Result<DriftReport, JournalError> {
        let (states, flaws) = self.newest_states(None).await?;
        let mut report = DriftReport {
            flaws,
            ..DriftReport::default()
        };
        let mut places = self.places(&states);
        for (image, region) in also {
            places.entry((image.clone(), region.clone())).or_default();
        }
        for ((image, region), known) in &places {
            match self
                .receivers(image, region, known.lighthouse, deadline)
                .await
            {
                Ok(Some(actual)) => {
                    report.compared += 1;
                    report
                        .differences
                        .extend(compare(image, region, known, &actual));
                }
                Ok(None) => report.unread.push(Unread {
                    image: image.to_string(),
                    region: region.to_string(),
                    why: "this site has no API that lists the receivers of a blueprint; look in its console"
                        .to_owned(),
                    no_read_api: true,
                }),
                Err(error) => report.unread.push(Unread {
                    image: image.to_string(),
                    region: region.to_string(),
                    why: error.to_string(),
                    no_read_api: false,
                }),
            }
        }
        Ok(report)
    }

    /// The journal's view of every image, by the image that the receivers see.
    fn places(&self, states: &[State]) -> Places {
        let mut places = Places::new();
        let shares = |state: &&State| {
            state.request().action == Action::Share && !matches!(state.phase(), Phase::Denied)
        };
        for state in states.iter().filter(shares) {
            let grant = state.grant(self.now());
            let request = state.request();
            let accounts = request.target.accounts().iter().map(ToString::to_string);
            let key = (state.subject(), request.region.clone());
            let chain_unmade =
                matches!(request.target, Target::Chain { .. }) && state.blueprint().is_none();
            if !chain_unmade && !matches!(request.target, Target::Lighthouse { .. }) {
                let known = places.entry(key).or_default();
                known.named.extend(accounts);
                let held = grant
                    .iter()
                    .flat_map(|grant| &grant.accounts)
                    .map(ToString::to_string);
                known.granted.extend(held);
            }
            if request.target.lighthouse() {
                let key = (request.target.image(), request.region.clone());
                let known = places.entry(key).or_default();
                known.lighthouse = true;
                known.named.insert(LIGHTHOUSE.to_owned());
                known.granted.extend(
                    grant
                        .filter(|grant| grant.lighthouse)
                        .map(|_| LIGHTHOUSE.to_owned()),
                );
            }
        }
        places
    }

    /// The image's receivers now; `None` where the site has no API for it.
    async fn receivers(
        &self,
        image: &ImageRef,
        region: &Region,
        lighthouse: bool,
        deadline: Deadline,
    ) -> Result<Option<BTreeSet<String>>, CloudError> {
        let cloud = self
            .clouds
            .of(self.config(), Some(image.as_str()), region)
            .cloud;
        let image: &CvmImageId = match image {
            ImageRef::Blueprint(id) => {
                let shares = cloud.blueprint_shares(region, id, deadline).await?;
                return Ok(
                    shares.map(|accounts| accounts.iter().map(ToString::to_string).collect())
                );
            }
            ImageRef::Cvm(id) => id,
        };
        let shares = cloud.cvm_shares(region, image, deadline).await?;
        let mut receivers: BTreeSet<String> = shares.iter().map(ToString::to_string).collect();
        if lighthouse
            && cloud
                .blueprint_of_image(region, image, deadline)
                .await?
                .is_some()
        {
            receivers.insert(LIGHTHOUSE.to_owned());
        }
        Ok(Some(receivers))
    }

    /// Asks to cancel every unknown share of the report, as `requester` of the trusted source
    /// `source`: one request per image, verified, mapped, decided and journalled like any other.
    /// The answers are added to the report.
    ///
    /// # Errors
    /// [`CancelUnknownError`]; requests that were made before stay made.
    pub async fn cancel_unknown(
        &self,
        report: &mut DriftReport,
        source: &SourceName,
        requester: &str,
        deadline: Deadline,
    ) -> Result<(), CancelUnknownError> {
        let origin = self
            .prepared
            .intake(source)
            .and_then(|intake| intake.from.first())
            .cloned();
        let Some(origin) = origin else {
            return Err(CancelUnknownError::NotTrusted(source.clone()));
        };
        let mut unknown: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for drifted in report
            .differences
            .iter()
            .filter(|d| d.difference == Difference::Unknown)
        {
            unknown
                .entry((&drifted.image, &drifted.region))
                .or_default()
                .push(&drifted.to);
        }
        let mut answers = Vec::new();
        for ((image, region), accounts) in unknown {
            let id = format!("drift {image} {region} {}", self.now());
            let request = json!({
                "id": id, "action": "cancel", "image": image, "region": region, "accounts": accounts,
                "requester": requester, "reason": "shared in the cloud, unknown to the journal",
            });
            let via = Via::Host {
                origin: origin.clone(),
                id: Some(id),
            };
            let body = request.to_string().into();
            let reply = self
                .receive(
                    Delivery {
                        source: source.clone(),
                        via,
                        body,
                    },
                    deadline,
                )
                .await;
            match reply {
                Reply::Answers(found) => {
                    answers.extend(
                        found
                            .into_iter()
                            .map(|(_, answer): (Ending, Answer)| answer),
                    );
                }
                other => {
                    return Err(CancelUnknownError::NotTaken {
                        by: source.clone(),
                        image: image.to_owned(),
                        reply: Box::new(other),
                    });
                }
            }
        }
        report.cancels = answers;
        Ok(())
    }
}

/// The differences for one image.
fn compare(
    image: &ImageRef,
    region: &Region,
    known: &Known,
    actual: &BTreeSet<String>,
) -> Vec<Drifted> {
    let drifted = |to: &String, difference| Drifted {
        image: image.to_string(),
        region: region.to_string(),
        to: to.clone(),
        difference,
    };
    let over = actual.difference(&known.granted).map(|to| {
        let ended = known.named.contains(to);
        drifted(
            to,
            if ended {
                Difference::Extra
            } else {
                Difference::Unknown
            },
        )
    });
    let missing = known
        .granted
        .difference(actual)
        .map(|to| drifted(to, Difference::Missing));
    let mut all: Vec<Drifted> = over.chain(missing).collect();
    all.sort();
    all
}
