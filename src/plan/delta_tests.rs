//! Tests of the items for which a cancel makes a call although no list shows them.

use super::*;
use crate::domain::{BlueprintId, Identity, Timestamp};
use crate::plan::Given;
use crate::policy::Ended;

fn account(n: u8) -> AccountId {
    format!("70000000000{n}").parse().unwrap()
}

fn image() -> CvmImageId {
    "img-6pb6lrmy".parse().unwrap()
}

fn blueprint() -> BlueprintId {
    "lhbp-su83x02a".parse().unwrap()
}

fn items() -> Vec<Item> {
    let accounts = [account(1), account(2)].map(Item::Account);
    [Item::Lighthouse(image())]
        .into_iter()
        .chain(accounts)
        .collect()
}

/// Returns the plan that revokes a share of `target` if the cloud's lists do not show the share.
fn plan(target: Target, given: Given, again: bool) -> Plan {
    let share = ShareRequest {
        id: None,
        action: Action::Share,
        target,
        region: "ap-singapore".parse().unwrap(),
        requester: "alice@example.com".into(),
        approvers: Vec::new(),
        ticket: None,
        reason: None,
        not_before: None,
        expires: None,
    };
    let identity = Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".into(),
    };
    let accounts = share.target.accounts().to_vec();
    let lighthouse = share.target.lighthouse();
    let (ended, now) = (Ended::CalledOff, Timestamp::UNIX_EPOCH);
    let approved = Approved::revocation(&share, &identity, ended, now, accounts, lighthouse);
    let seen = Observation {
        shares: (!lighthouse).then(BTreeSet::new),
        readable: true,
        given,
        ..Observation::default()
    };
    Plan::of(&approved.unwrap(), &seen, &[], again)
}

fn cvm() -> Target {
    Target::Cvm {
        image: image(),
        accounts: vec![account(1), account(2)],
    }
}

fn chain() -> Target {
    Target::Chain {
        image: image(),
        accounts: vec![account(1), account(2)],
    }
}

fn given(lately: &[Item], blueprint: Option<BlueprintId>) -> Given {
    Given {
        items: items().into_iter().collect(),
        lately: lately.iter().cloned().collect(),
        blueprint,
    }
}

#[test]
fn a_list_is_believed_unless_a_record_says_that_the_account_got_the_image_lately() {
    for (again, kind) in [
        (false, ResultKind::NotShared),
        (true, ResultKind::Cancelled),
    ] {
        let believed = plan(cvm(), given(&[], None), again);
        assert!(believed.is_empty() && believed.unseen().is_empty());
        assert!(believed.settled().iter().all(|result| result.kind == kind));

        let lately = [Item::Account(account(2))];
        let plan = plan(cvm(), given(&lately, None), again);
        let called = Stage::Accounts {
            image: PlannedImage::Known(ImageRef::Cvm(image())),
            action: Action::Cancel,
            accounts: vec![account(2)],
        };
        assert_eq!(plan.stages(), [called]);
        assert_eq!(plan.settled().len(), 1);
        assert_eq!(plan.unseen()[0].kind, kind, "what the list alone says");
    }
}

#[test]
fn a_chain_that_was_made_lately_is_cancelled_by_the_blueprint_on_record() {
    let made = plan(chain(), given(&items(), Some(blueprint())), false);
    let accounts = Stage::Accounts {
        image: PlannedImage::Known(ImageRef::Blueprint(blueprint())),
        action: Action::Cancel,
        accounts: vec![account(1), account(2)],
    };
    assert_eq!(made.stages(), [accounts, Stage::Unpublish(image())]);
    assert_eq!(made.unseen().len(), 3);
    // If the chain was not shared lately, a read by the id on record would have found the
    // blueprint. So no call is needed.
    assert!(plan(chain(), given(&[], Some(blueprint())), false).is_empty());
}

/// A blueprint that no record names cannot be looked up by its id.
#[test]
fn an_image_whose_blueprint_no_record_names_is_taken_out_of_lighthouse_by_a_call() {
    let unnamed = plan(chain(), given(&[], None), false);
    assert_eq!(unnamed.stages(), [Stage::Unpublish(image())]);
    let never = plan(chain(), Given::default(), false);
    assert!(never.is_empty(), "no record says that it was given");
}
