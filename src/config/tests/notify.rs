//! Tests which targets `[[notify]]` tables define, and at which place each mistake is reported.

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
    // A preset that comments on tickets does not get notifications that belong to no ticket.
    let jira = NOTIFY
        .replace("\"webhook\"", "\"jira\"")
        .replace("secret =", "auth.bearer =");
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
        ("on = [\"finished\"]", 23, "is not known"),
        ("on = []", 19, "on is empty"),
        ("sources = [\"nobody\"]", 23, "no [[source]] has the name"),
        ("sources = []", 19, "sources is empty"),
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
        ("contact = \" \"", 23, "not one line of"),
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
            "contains a login",
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
    let jira = NOTIFY
        .replace("\"webhook\"", "\"jira\"")
        .replace("secret =", "auth.basic =");
    for (target, why) in [
        (
            format!("{NOTIFY}on = [\"expiring\"]\n"),
            "on: expiring has no effect",
        ),
        (
            format!("{jira}on = [\"denied\"]\ntransitions = {{ completed = \"31\" }}\n"),
            "transitions: completed has no effect",
        ),
        (
            format!("{jira}transitions = {{ drifted = \"31\" }}\n"),
            "transitions: drifted has no effect",
        ),
    ] {
        let text = format!("{GOOD}{target}");
        let read = Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new());
        let problems = read.unwrap_err();
        assert!(problems.to_string().contains(why), "{target}: {problems}");
    }
    let text = GOOD.replace("[cloud]", "[limits]\nnotice = \"3d\"\n\n[cloud]");
    let read = Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new());
    assert!(
        read.unwrap_err()
            .to_string()
            .contains("notice has no effect")
    );
}

/// The app of a source's `fetch` sends the messages. A bot has its own secret, and also gets the
/// notifications that belong to no ticket.
#[test]
fn an_approval_system_is_notified_by_the_app_of_its_source_or_by_a_bot() {
    let mut vars = good_vars();
    let key = "an-encrypt-key-of-these-tests-01";
    vars.insert("FEISHU_KEY".into(), key.into());
    vars.insert("BOT".into(), "0123456789abcdef0123:SECx".into());
    let lark = "[[source]]\nname = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:FEISHU_KEY\"]\nmap = \"feishu\"\n\
        fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"env:FEISHU_KEY\", definitions = [\"D\"] }\n";
    let read = |notify: &str| {
        let text = format!("{GOOD}\n{lark}[[notify]]\nname = \"back\"\n{notify}");
        Config::read("sharehook.toml", &text, &vars, &AwsSecrets::new())
    };
    let config = read("preset = \"feishu\"\nuser = \"ou_1\"").unwrap();
    let back = &config.notify[0];
    assert_eq!(back.address, None);
    let sources = &back.subscription.sources;
    assert_eq!(sources, &["lark".parse().unwrap()]);
    let config = read("preset = \"dingtalk-bot\"\nsecret = \"env:BOT\"").unwrap();
    let on = &config.notify[0].subscription.on;
    assert_eq!(on.len(), crate::domain::NoticeKind::ALL.len());
    for (notify, why) in [
        ("preset = \"feishu\"", "user is missing"),
        (
            "preset = \"feishu\"\nuser = \"a b\"",
            "user is not of the form",
        ),
        (
            "preset = \"feishu\"\nuser = \"u\"\nsources = [\"jira\"]",
            "jira has no `fetch`",
        ),
        (
            "preset = \"feishu\"\nuser = \"u\"\nurl = \"https://a.example\"",
            "url has no effect",
        ),
        (
            "preset = \"wecom\"\nuser = \"1\"",
            "no [[source]] has a `fetch`",
        ),
        (
            "preset = \"wecom-bot\"\nsecret = \"env:BOT\"",
            "has more than the key",
        ),
        ("preset = \"feishu-bot\"", "secret is missing"),
        (
            "preset = \"feishu-bot\"\nsecret = \"env:BOT\"\nurl = \"https://open.feishu.cn/open-apis/bot/v2/hook/abc\"",
            "url has a path",
        ),
        (
            "preset = \"feishu-bot\"\nsecret = \"env:BOT\"\nauth = { bearer = \"env:BOT\" }",
            "auth has no effect",
        ),
    ] {
        let text = read(notify).unwrap_err().to_string();
        assert!(text.contains(why), "{notify}: {text}");
    }
}
