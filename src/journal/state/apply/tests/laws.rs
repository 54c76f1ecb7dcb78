//! Properties that the state has after every sequence of records.

use super::*;

fn any_event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        Just(Pending),
        Just(Shared),
        Just(AlreadyShared),
        Just(Cancelled),
        Just(NotShared),
        Just(failed())
    ];
    let results = proptest::collection::vec((0_usize..3, kind), 0..4).prop_map(|list| {
        list.into_iter()
            .map(|(n, kind)| result(account(n), kind))
            .collect::<Vec<ItemResult>>()
    });
    (results, 0_i64..EXPIRY * 3, 0_usize..14, any::<bool>()).prop_map(
        |(results, until, which, lighthouse)| match which {
            0 | 1 => taken(until),
            2 | 3 => progress(results),
            4 => deferred(until),
            5 => closed(Status::Completed, all(Shared)),
            6 => closed(Status::of(crate::domain::Action::Share, &results), results),
            7 => {
                let accounts = results.iter().filter_map(|r| match &r.item {
                    Item::Account(account) => Some(account.clone()),
                    Item::Lighthouse(_) => None,
                });
                Event::Revoking {
                    until: at(until),
                    accounts: accounts.collect(),
                    lighthouse,
                }
            }
            8 => called_off(results.into_iter().map(|r| r.item).collect()),
            9 => called_off(vec![crate::journal::testing::lighthouse()]),
            10 => Event::Refused {
                verdict: verdict(false),
                results,
                calls: vec![],
            },
            11 => not_revoked(until),
            12 => reopened(true),
            _ => Event::Revoked {
                results,
                calls: vec![],
            },
        },
    )
}

proptest! {
    /// Applies random records of random workers. Each record either leaves a state with the
    /// properties that this test asserts, or is refused without a panic.
    #[test]
    fn no_sequence_of_records_breaks_the_promises(
        steps in proptest::collection::vec((any_event(), 0_i64..EXPIRY * 3, 1_u64..4), 0..40)
    ) {
        let mut builder = StreamBuilder::opened();
        let mut seconds = 0;
        let mut given = Vec::new();
        for (event, later, who) in steps {
            seconds = seconds.max(later);
            let longer = builder.clone().then(seconds, who, event);
            let Ok(state) = fold(&longer) else { continue };
            builder = longer;
            prop_assert_eq!(state.results().len(), 4);
            for result in state.results() {
                if result.kind == Shared {
                    given.push(result.item.clone());
                }
            }
            if let Some(Work::Revoke { accounts, .. }) = state.needs_work(at(EXPIRY * 9)) {
                prop_assert!(accounts.iter().all(|id| given.contains(&Item::Account(id.clone()))));
            }
            if let Some(grant) = state.grant() {
                prop_assert!(grant.accounts.iter().all(|id| given.contains(&Item::Account(id.clone()))));
            }
            prop_assert_eq!(state.needs_work(at(EXPIRY * 9)).is_some(), state.due_at().is_some());
        }
    }
}
