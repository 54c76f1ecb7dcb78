//! A dry run: asks the policies, reads the cloud and shows the plan. Writes no record and changes
//! nothing in the cloud.

use crate::app::answer::{Answer, Ending};
use crate::app::calls::observe;
use crate::app::cloud_accounts::own_account;
use crate::app::{App, IncomingRequest};
use crate::domain::{Item, ItemResult, ResultKind, Status};
use crate::plan::Plan;
use crate::policy::Decision;

impl App {
    pub(in crate::app) async fn show_plan(
        &self,
        incoming: &IncomingRequest<'_>,
        decision: &Decision,
    ) -> (Ending, Answer) {
        let (identity, request) = (&incoming.identity, incoming.request);
        let approved = match decision {
            Decision::Allow(approved) => approved,
            Decision::Deny(verdict) => {
                let answer = Answer::denied(&identity.id, request, verdict);
                return (Ending::Denied, answer);
            }
        };
        let context = self.context(request, incoming.deadline);
        let seen = observe::observe(&context, request).await;
        let done = Vec::from_iter(own_account(context.cloud.known_owner(), request));
        let plan = Plan::of(approved, &seen, &done, false);
        let result_of = |item: Item| {
            let settled = plan.settled().iter().find(|result| result.item == item);
            settled
                .cloned()
                .unwrap_or_else(|| ItemResult::new(item, ResultKind::Pending, None))
        };
        let account = context
            .account
            .map(|name| format!("calls are made as account {name}"));
        let steps = plan.to_string();
        let answer = Answer {
            results: request.target.items().into_iter().map(result_of).collect(),
            plan: account
                .into_iter()
                .chain(steps.lines().map(str::to_owned))
                .collect(),
            message: seen
                .unreadable
                .map(|error| format!("the current state could not be read: {error}")),
            ..Answer::new(&identity.id, Status::Planned).with_verdict(approved.verdict())
        };
        (Ending::Done, answer)
    }
}
