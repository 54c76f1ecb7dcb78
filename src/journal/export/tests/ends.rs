//! Tests what OCSF and CSV say about how a record ended, who acted, and which verdict the work
//! rests on.

use super::*;

/// Exports a record of `event`. Returns its `status`, its `status_code` and the outcome in its row.
fn end_of(event: Event) -> (Value, Value, String) {
    let records = StreamBuilder::opened().then(1, 1, event).records;
    let entry = &Entry::all(&records)[1];
    let ocsf: Value = serde_json::from_str(&entry.ocsf(&origin())).unwrap();
    let code = ocsf.get("status_code").cloned().unwrap_or_default();
    (ocsf["status"].clone(), code, entry.meaning().outcome)
}

#[test]
fn the_last_call_decides_unless_an_item_failed_for_good() {
    let call = |code: Option<&str>| json!({"action": "ModifyImageSharePermission", "code": code});
    let [good, bad] = [None, Some("RequestLimitExceeded")].map(call);
    let read = |event: Value| serde_json::from_value::<Event>(event).unwrap();
    let made = |calls: [&Value; 2], results: Value| {
        read(json!({"type": "progress", "results": results, "calls": calls}))
    };
    let lost = |retryable: bool| {
        let kind = ResultKind::failed("FailedOperation.Gone", "m", retryable);
        json!([
            result(account(0), kind),
            result(account(1), ResultKind::Shared)
        ])
    };
    let success = (json!("Success"), Value::Null, String::new());
    let failure = |code: &str| (json!("Failure"), json!(code), "call failed".to_owned());
    let throttled = failure("RequestLimitExceeded");
    let gone = failure("FailedOperation.Gone");
    for (calls, results, end) in [
        ([&bad, &good], json!([]), &success),
        ([&bad, &good], lost(true), &success),
        ([&good, &bad], json!([]), &throttled),
        ([&bad, &good], lost(false), &gone),
    ] {
        let event = made(calls, results);
        assert_eq!(&end_of(event.clone()), end, "{event:?}");
    }
    let unsent = call(Some("NoCredentials"));
    let event = made([&good, &unsent], json!([]));
    let end = (
        json!("Failure"),
        json!("NoCredentials"),
        "call not sent".to_owned(),
    );
    assert_eq!(end_of(event.clone()), end);
    let records = StreamBuilder::opened().then(1, 1, event).records;
    let entry = &Entry::all(&records)[1];
    let ocsf: Value = serde_json::from_str(&entry.ocsf(&origin())).unwrap();
    assert_eq!(ocsf["api"]["service"]["name"], "sharehook", "{ocsf:#}");
    assert!(
        entry
            .csv()
            .contains("ok -; ModifyImageSharePermission NoCredentials unsent")
    );
    let tried = |calls: [&Value; 2], covered: Value| {
        read(
            json!({"type": "not_revoked", "results": [], "calls": calls, "why": "w",
            "not_before": at(9), "covered": covered}),
        )
    };
    let covered = || json!([account(0)]);
    let left = (json!("Covered"), Value::Null, "not revoked".to_owned());
    for (calls, covered, end) in [
        ([&bad, &good], covered(), &left),
        ([&good, &bad], covered(), &throttled),
        // No other grant covers an item, so only the failed call explains what was not revoked.
        ([&bad, &good], json!([]), &throttled),
    ] {
        let event = tried(calls, covered);
        assert_eq!(&end_of(event.clone()), end, "{event:?}");
    }
    let no_call = |covered: Value| {
        read(
            json!({"type": "not_revoked", "results": [], "why": "w", "not_before": at(9),
            "covered": covered}),
        )
    };
    let unread = (json!("Failure"), json!("NotRevoked"), left.2.clone());
    assert_eq!(end_of(no_call(covered())), left, "no call, nothing failed");
    assert_eq!(end_of(no_call(json!([]))), unread);
    let revoked = |kinds: [ResultKind; 2]| {
        let [first, second] = kinds;
        let results = vec![result(account(0), first), result(account(1), second)];
        end_of(read(json!({"type": "revoked", "results": results})))
    };
    let (gone, left) = (ResultKind::Cancelled, ResultKind::AlreadyShared);
    let done = (json!("Success"), Value::Null, "completed".to_owned());
    let covered = (json!("Covered"), Value::Null, "covered".to_owned());
    assert_eq!(revoked([gone.clone(), left.clone()]), done);
    assert_eq!(revoked([left.clone(), left]), covered);
    assert_eq!(revoked([gone.clone(), gone]), done);
    let deferred = |calls: Value, fault: Value| {
        read(
            json!({"type": "deferred", "results": [], "calls": calls, "why": "w",
            "not_before": at(9), "fault": fault}),
        )
    };
    let waits = (json!("Deferred"), Value::Null, String::new());
    let unread = (json!("Failure"), json!("Deferred"), String::new());
    for (calls, fault, end) in [
        (json!([]), Value::Null, &waits),
        (json!([good]), Value::Null, &waits),
        (json!([good, bad]), json!("operator"), &throttled),
        (json!([]), json!("operator"), &unread),
    ] {
        let event = deferred(calls, fault);
        assert_eq!(&end_of(event.clone()), end, "{event:?}");
    }
}

/// An operator asks for a new decision on a denied request, and the policies allow it. The records
/// of the work after that show the verdict of the reopening, not the first denial. A later denial
/// is shown only in its own record.
#[test]
fn a_record_shows_the_verdict_on_which_its_work_rests() {
    let mut denied = intent(identity("CHG0030192"), request(json!({})), None);
    denied.verdict = verdict(false);
    let mut again = reopened(true);
    if let Event::Reopened(reopening) = &mut again {
        reopening.verdict.approvals = serde_json::from_value(json!([
            {"approver": "jira/bob@example.com", "policies": ["a"], "items": [account(0)]},
            {"approver": "jira/bob@example.com", "policies": ["a"], "items": [account(1)]}]))
        .unwrap();
    }
    let ends = closed(Status::Failed, vec![result(account(0), failed())]);
    let records = StreamBuilder::empty(&identity("CHG0030192"))
        .then(0, 1, Event::Opened(Box::new(denied)))
        .then(9_000, 2, again)
        .then_of(Some("100000000007"), 9_010, 2, ends)
        .then(9_020, 3, reopened(false))
        .then(9_030, 3, notified("desk", NoticeKind::Failed, 2, 1))
        .records;
    let entries = Entry::all(&records);
    let columns: Vec<&str> = CSV_HEADER.split(',').collect();
    let expected = [
        ("denied", "alice@example.com", ""),
        ("allowed", "carol@example.com", "jira/bob@example.com"),
        ("allowed", "alice@example.com", "jira/bob@example.com"),
        ("denied", "carol@example.com", ""),
        ("allowed", "alice@example.com", "jira/bob@example.com"),
    ];
    for (entry, (decision, person, accepted)) in entries.iter().zip(expected) {
        let event: Value = serde_json::from_str(&entry.ocsf(&origin())).unwrap();
        assert_eq!(flaws(&event), Vec::<String>::new(), "{event:#}");
        let actor = &event["actor"];
        assert_eq!(
            actor["authorizations"][0]["decision"], decision,
            "{event:#}"
        );
        assert_eq!(actor["user"]["uid"], person, "{event:#}");
        let shown = event["unmapped"]["approvals"].as_array().unwrap();
        assert_eq!(shown.is_empty(), accepted.is_empty(), "{event:#}");
        let row = entry.csv();
        let cells: Vec<&str> = row.rsplitn(3, ',').collect();
        assert_eq!(cells[0], accepted, "{row}");
        let owner = if entry.stored.record.seq == 2 {
            "100000000007"
        } else {
            ""
        };
        assert_eq!(cells[1], owner, "{row}");
        let account = event["cloud"]["account"]["uid"].as_str();
        assert_eq!(account.unwrap_or_default(), owner, "{event:#}");
    }
    assert_eq!(&columns[24..], ["owner", "accepted_approvers"]);
}
