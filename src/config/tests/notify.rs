//! `[[notify]]` in configurations: the targets that they give, and each mistake with its place.

use super::*;

#[test]
fn a_target_gets_every_outcome_unless_it_says_otherwise() {
    let mut vars = good_vars();
    vars.insert("NOTIFY_SECRET".into(), "whsec_x".into());
    let read = |more: &str| {
        let text = format!("{GOOD}{NOTIFY}{more}");
        Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new())
    };
    let all = read("").unwrap();
    let desk = &all.notify[0].subscription;
    assert_eq!(desk.on.len(), crate::domain::NoticeKind::ALL.len());
    let jira = "jira".parse().unwrap();
    assert!(desk.wants(crate::domain::NoticeKind::Denied, Some(&jira)));
    let some = read("on = [\"denied\"]\nsources = [\"queue\"]").unwrap();
    let desk = &some.notify[0].subscription;
    assert!(!desk.wants(crate::domain::NoticeKind::Denied, Some(&jira)));
    // What belongs to no ticket is nothing for a preset that comments on tickets.
    let jira = NOTIFY
        .replace("\"webhook\"", "\"jira\"")
        .replace("secret =", "auth.basic =");
    let read_jira = |more: &str| {
        let text = format!("{GOOD}{jira}{more}");
        Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new())
    };
    let on = read_jira("").unwrap().notify.remove(0).subscription.on;
    assert!(
        on.iter().all(|on| !on.has_no_ticket()) && on.len() == 7,
        "{on:?}"
    );
    let refused = read_jira("on = [\"denied\", \"rejected\"]").unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("rejected belongs to no ticket"), "{text}");
    for (more, line, why) in [
        ("on = [\"finished\"]", 23, "is no outcome"),
        ("on = []", 19, "on is empty"),
        ("sources = [\"nobody\"]", 23, "no [[source]] has the name"),
        (
            "auth = { bearer = \"env:NOTIFY_SECRET\" }",
            23,
            "auth has no effect",
        ),
        ("map = \"missing.jq\"", 23, "cannot be read"),
        ("ca_file = \"missing.pem\"", 23, "cannot be read"),
        (
            "proxy = \"10.0.0.1:3128\"",
            23,
            "not the address of an HTTP proxy",
        ),
        ("contact = \" \"", 23, "not a short line"),
        (
            "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"env:NOTIFY_SECRET\"",
            24,
            "two [[notify]] have the name desk",
        ),
    ] {
        let problems = read(more).unwrap_err().0;
        let [problem] = &problems[..] else {
            panic!("{more}: {problems:?}")
        };
        assert!(problem.problem.contains(why), "{problem}");
        assert_eq!(problem.field, format!("sharehook.toml:{line}"), "{problem}");
    }
    for (good, bad, why) in [
        (
            "https://desk.example/hooks",
            "http://desk.example/hooks",
            "plain http",
        ),
        (
            "https://desk.example/hooks",
            "https://u:p@desk.example",
            "holds a login",
        ),
        ("secret = \"env:NOTIFY_SECRET\"\n", "", "secret is missing"),
        (
            "env:NOTIFY_SECRET",
            "whsec_x",
            "not a reference to a secret",
        ),
        ("env:NOTIFY_SECRET", "env:NOTIFY_OTHER", "is not set"),
        ("name = \"desk\"", "name = \"The Desk\"", "is not a name"),
    ] {
        let text = format!("{GOOD}{}", NOTIFY.replace(good, bad));
        let read = Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new());
        let problems = read.unwrap_err();
        assert!(problems.to_string().contains(why), "{bad}: {problems}");
    }
    let text = GOOD.replace("[cloud]", "[limits]\nnotice = \"3d\"\n\n[cloud]");
    let read = Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new());
    assert!(
        read.unwrap_err()
            .to_string()
            .contains("notice has no effect")
    );
}
