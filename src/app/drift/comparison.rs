//! Compares the cloud's shares with the grants in the journal, for each image and region. Returns
//! the differences, and the images that could not be read. Does not change a share itself: to
//! cancel an unknown share, it makes a request like any other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::app::cloud_accounts::Chosen;
use crate::app::grants::{LIGHTHOUSE, Ownership, RevokeNowError};
use crate::app::reader::RequestFilter;
use crate::app::{App, Deadline, Statement};
use crate::domain::{CloudError, CvmImageId, Difference, Drifted, ImageRef, Region, SourceName};
use crate::journal::{Drift, JournalError, Recorded, Standing, State};

use super::drift_report::{DriftReport, UnderWay, Unfinished, Unread};
use super::places::{Known, Place, Places};

impl App {
    /// Compares the cloud with the journal, for every image that a share in the journal names and
    /// for every image in `also`.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be listed. Images that could not be read in the cloud
    /// are in the report.
    pub async fn drift(
        &self,
        also: &[Place],
        deadline: Deadline,
    ) -> Result<DriftReport, JournalError> {
        let mut report = DriftReport {
            read_at: self.now(),
            ..DriftReport::default()
        };
        let seals = self.journal.newest_seal().await?;
        let every = RequestFilter::default();
        let all = self.reader().newest_states(&every, None).await?;
        report.flaws = all.flaws;
        let places = self.places(&all.entries, also);
        let mut found = Vec::new();
        self.journal.work_done().begin(places.len());
        for (place, known) in &places {
            self.journal.work_done().add(1);
            let (image, region) = place;
            let unread = |why, no_read_api| Unread {
                image: image.to_string(),
                region: region.to_string(),
                why,
                no_read_api,
            };
            let of_place = |drifted| (place, known, drifted);
            let receivers = self.receivers(image, region, known, deadline).await;
            report.unread.push(match receivers {
                Ok(Some(actual)) => {
                    report.compared += 1;
                    found.extend(compare(place, known, &actual).into_iter().map(of_place));
                    continue;
                }
                Ok(None) => {
                    let why = "this site has no API that lists the receivers of a blueprint; look in its console";
                    unread(why.to_owned(), true)
                }
                Err(error) => unread(error.to_string(), false),
            });
            // The image could not be read, but its overdue grants are reported nevertheless. The
            // journal alone shows that they should have been revoked and that no record revokes
            // them.
            let granted = known.granted.keys().cloned().collect();
            let mut overdue = compare(place, known, &granted);
            overdue.retain(|drifted| drifted.difference == Difference::Overdue);
            found.extend(overdue.into_iter().map(of_place));
        }
        if !found.is_empty() {
            let differing: BTreeSet<&Place> = found.iter().map(|(place, ..)| *place).collect();
            let after = self.read_changed(all.entries, &differing, seals, &mut report);
            let after = after.await?;
            confirm_differences(found, &self.places(&after, also), &mut report);
        }
        let kinds = report.differences.iter().map(|drifted| drifted.difference);
        report.remedies = kinds.map(|kind| (kind, kind.remedy())).collect();
        Ok(report)
    }

    /// Reads the requests that changed while the cloud was read, and returns all requests with
    /// their new states. `seals` is the newest seal before the first read. Without a seal, every
    /// request counts as changed, so this reads only the new requests and those that may concern a
    /// place in `differing`. Adds flaws to the report.
    ///
    /// # Errors
    /// The journal could not be read, or the end of the log has a flaw that the first read did not
    /// find: it may hide a change.
    async fn read_changed(
        &self,
        mut states: Vec<State>,
        differing: &BTreeSet<&Place>,
        seals: u64,
        report: &mut DriftReport,
    ) -> Result<Vec<State>, JournalError> {
        let (mut changed, flaws) = self.journal.changed_since(seals, self.now()).await?;
        let new = |flaw: &JournalError| !report.flaws.contains(&flaw.to_string());
        if let Some(flaw) = flaws.into_iter().find(new) {
            return Err(flaw);
        }
        for state in states
            .iter()
            .filter(|state| !self.concerns(state, differing))
        {
            changed.remove(&state.stream());
        }
        let new = self.reader().states_of(&changed).await?;
        report.flaws.extend(new.flaws);
        report.flaws.sort();
        report.flaws.dedup();
        states.retain(|state| !changed.contains(&state.stream()));
        states.extend(new.entries);
        Ok(states)
    }

    /// Runs the scheduled comparison: records the differences and queues a notification. The same
    /// differences are recorded at most once a day. Leaves a mark from which other processes know
    /// when it ended. If anything cannot be recorded, logs the error.
    pub async fn drift_task(&self, deadline: Deadline) -> Result<DriftReport, JournalError> {
        self.journal.writable()?;
        let report = self.drift(&[], deadline).await?;
        if !report.differences.is_empty() {
            let drift = Drift::of(&report.differences);
            match Box::pin(self.record_drift(drift)).await {
                Ok(Recorded::New(incident)) => self.queue_incident(&incident),
                Ok(Recorded::Known | Recorded::Full) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot record the differences that a comparison found")
                }
            }
        }
        let (at, differences) = (self.now(), report.differences.len() as u64);
        self.compared(at, differences);
        let noted = async {
            self.prove_create_only().await?;
            self.journal.note_comparison(at, differences).await
        };
        if let Err(error) = noted.await {
            tracing::error!(%error, "cannot record that a comparison ended, or delete the marks of earlier ones; the metrics may show an earlier comparison");
        }
        Ok(report)
    }

    async fn record_drift(&self, drift: Drift) -> Result<Recorded, JournalError> {
        self.prove_create_only().await?;
        let lease = self.incident_lease()?;
        let rules = &self.prepared.notice_rules;
        self.journal.record_drift(drift, &lease, rules).await
    }

    /// Reads the image's current receivers. Returns `None` if the site has no API that lists them.
    async fn receivers(
        &self,
        image: &ImageRef,
        region: &Region,
        known: &Known,
        deadline: Deadline,
    ) -> Result<Option<BTreeSet<String>>, CloudError> {
        let Chosen { cloud, account } = self.cloud_of_owner(image, region);
        let cloud = cloud.at(region, deadline);
        if !known.owners.is_empty() {
            // An account that does not own the image sees none of its shares, so what it reads must
            // not be compared.
            let asked = cloud.owner_account().await.ok();
            let mut each = known.owners.iter();
            let differs = each.find_map(|given| {
                Ownership::of(Some(given), asked.as_ref()).differing_error(image, account)
            });
            if let Some(error) = differs {
                return Err(error);
            }
        }
        let image: &CvmImageId = match image {
            ImageRef::Blueprint(id) => {
                let shares = cloud.blueprint_shares(id).await?;
                return Ok(
                    shares.map(|accounts| accounts.iter().map(ToString::to_string).collect())
                );
            }
            ImageRef::Cvm(id) => id,
        };
        let shares = cloud.cvm_shares(image).await?;
        let mut receivers: BTreeSet<String> = shares.iter().map(ToString::to_string).collect();
        if known.lighthouse && cloud.blueprint_of_image(image).await?.is_some() {
            receivers.insert(LIGHTHOUSE.to_owned());
        }
        Ok(Some(receivers))
    }

    /// Requests a cancel of every unknown share in the report, as `requester` of the trusted source
    /// `source`. There is one request per image and region, which is verified, mapped, decided and
    /// recorded like any other. Leaves out receivers that a request may name by now. Adds the
    /// answers to the report.
    ///
    /// # Errors
    /// Returns a [`RevokeNowError`] if a request fails. Earlier requests stay in force, and the
    /// report has their answers.
    pub async fn cancel_unknown(
        &self,
        report: &mut DriftReport,
        source: &SourceName,
        requester: &str,
        deadline: Deadline,
    ) -> Result<(), RevokeNowError> {
        let DriftReport {
            differences,
            cancels,
            left_out,
            read_at,
            ..
        } = report;
        let read_at = *read_at;
        let mut unknown: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for drifted in differences
            .iter()
            .filter(|d| d.difference == Difference::Unknown)
        {
            unknown
                .entry((&drifted.image, &drifted.region))
                .or_default()
                .push(&drifted.to);
        }
        for ((image, region), mut accounts) in unknown {
            let named = self.named_meanwhile(image, region, &accounts).await?;
            accounts.retain(|account| !named.iter().any(|left| left.to == *account));
            left_out.extend(named);
            if accounts.is_empty() {
                continue;
            }
            let id = format!("drift {image} {region} {}", self.now());
            let request = json!({
                "id": id, "action": "cancel", "image": image, "region": region, "accounts": accounts,
                "requester": requester, "reason": "shared in the cloud, unknown to the journal",
            });
            let mut answers = Vec::new();
            let asked = self.ask(
                source,
                image,
                &request,
                Statement::EndsUnknown { read_at },
                deadline,
                &mut answers,
            );
            let asked = asked.await;
            cancels.extend(answers.into_iter().map(|(_, answer)| answer));
            asked?;
        }
        Ok(())
    }
}

/// Reports the differences that are certain. `after` is the journal's view after the cloud was
/// read. It is needed because requests may have shared or cancelled something after the journal was
/// read first.
fn confirm_differences(
    found: Vec<(&Place, &Known, Drifted)>,
    after: &Places,
    report: &mut DriftReport,
) {
    let unnamed = Known::default();
    for (place, before, drifted) in found {
        let known = after.get(place).unwrap_or(&unnamed);
        if known.confirms(before, &drifted) {
            if let Some(to_come) = known.to_come(&drifted.to) {
                report.unfinished.push(Unfinished::of(&drifted, to_come));
            }
            report.differences.push(drifted);
        } else if let Some(request) = known.under_way(&drifted.to) {
            let Drifted {
                image, region, to, ..
            } = drifted;
            let request = request.to_string();
            report.under_way.push(UnderWay {
                image,
                region,
                to,
                request,
            });
        }
    }
}

fn compare((image, region): &Place, known: &Known, actual: &BTreeSet<String>) -> Vec<Drifted> {
    let drifted = |to: &String, difference| Drifted {
        image: image.to_string(),
        region: region.to_string(),
        to: to.clone(),
        difference,
    };
    let over = actual.iter().filter_map(|to| match known.granted.get(to) {
        Some(Standing::Active | Standing::Covered) => None,
        Some(Standing::Overdue) => Some(drifted(to, Difference::Overdue)),
        None if known.named.contains(to) => Some(drifted(to, Difference::Extra)),
        None => Some(drifted(to, Difference::Unknown)),
    });
    let should_stand = known
        .granted
        .iter()
        .filter(|(_, standing)| **standing != Standing::Overdue);
    let missing = should_stand
        .filter(|(to, _)| !actual.contains(*to))
        .map(|(to, _)| drifted(to, Difference::Missing));
    let mut all: Vec<Drifted> = over.chain(missing).collect();
    all.sort();
    all
}
