//! Adopts shares without a grant: puts them under a ticket and an expiry. Requests one share per
//! image and region, and a separate one for Lighthouse. Each of these requests is verified, decided
//! and recorded like any other request. An adopted share expires with its request, and a later
//! cancel or `revoke` ends it.
//!
//! Takes the report of a comparison and the operator's decision, and adds the answers to the
//! report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::app::grants::LIGHTHOUSE;
use crate::app::requests::Operator;
use crate::app::{App, Deadline, RevokeNowError, Statement};
use crate::domain::{Difference, Drifted, Span};

use super::drift_report::{DriftReport, LeftOut};

/// An operator's decision to adopt shares.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The ticket that approves the adoption.
    pub ticket: String,
    /// The time from now until the shares expire, such as `30d`.
    pub expires_in: Span,
    /// The approvers.
    pub approvers: Vec<String>,
    /// The operator. The source in whose name the operator acts has the scheme `trusted`.
    pub by: Operator,
}

impl App {
    /// Adopts the shares in the report that have no grant, and adds the answers to the report.
    ///
    /// # Errors
    /// Returns a [`RevokeNowError`] if a request fails. Earlier requests stay in force, and the
    /// report has their answers.
    pub async fn adopt(
        &self,
        report: &mut DriftReport,
        adoption: &Adoption,
        deadline: Deadline,
    ) -> Result<(), RevokeNowError> {
        let DriftReport {
            differences,
            adoptions,
            unfinished,
            left_out,
            read_at,
            ..
        } = report;
        let without_grant = differences.iter().filter(|drifted| {
            matches!(drifted.difference, Difference::Unknown | Difference::Extra)
        });
        // One request for both accounts and Lighthouse would be a chain, so make two.
        let mut groups: BTreeMap<(&str, &str, bool), BTreeSet<&str>> = BTreeMap::new();
        for drifted in without_grant {
            let Drifted {
                image, region, to, ..
            } = drifted;
            // Leave out a receiver for which another request waits: a cancel that waits would leave
            // the share in place, because the adoption would count as a later share.
            let to_come = unfinished.iter().find(|one| one.concerns(drifted));
            if let Some(to_come) = to_come {
                let why = format!("not adopted: {}", to_come.intention());
                let (image, region, to) = (image.clone(), region.clone(), to.clone());
                left_out.push(LeftOut {
                    image,
                    region,
                    to,
                    why,
                });
                continue;
            }
            let receivers = groups.entry((image, region, to == LIGHTHOUSE)).or_default();
            receivers.extend((to != LIGHTHOUSE).then_some(to.as_str()));
        }
        for ((image, region, lighthouse), accounts) in groups {
            let Adoption {
                ticket,
                expires_in,
                approvers,
                by,
            } = adoption;
            let place = if lighthouse { " in Lighthouse" } else { "" };
            let request = json!({
                "id": format!("adopt {image}{place} {region} {}", self.now()),
                "action": "share", "image": image, "region": region, "accounts": accounts,
                "lighthouse": lighthouse, "requester": by.requester, "approvers": approvers,
                "ticket": ticket, "expires_in": expires_in,
                "reason": "adopted: shared in the cloud, without a grant in the journal",
            });
            let mut answers = Vec::new();
            let asked = self.ask(
                &by.source,
                image,
                &request,
                Statement::Adopts { read_at: *read_at },
                deadline,
                &mut answers,
            );
            let asked = asked.await;
            adoptions.extend(answers.into_iter().map(|(_, answer)| answer));
            asked?;
        }
        Ok(())
    }
}
