//! Tests which owner account a request gets, and which `[cloud.accounts.NAME]` are refused.

use super::*;

fn read(accounts: &str) -> Result<Config, Problems> {
    let text = format!("journal = \"memory:\"\n[cloud]\nsite = \"intl\"\n{accounts}");
    let vars = [("PROD_ID", "id"), ("PROD_KEY", "HUSH")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    Config::read("c.toml", &text, &Vars::from(vars), &AwsSecrets::new())
}

const ROLE: &str = "role_arn = \"qcs::cam::uin/100000000001:roleName/sharehook\"";

#[test]
fn the_longest_beginning_wins_then_the_region_then_the_default() {
    let config = read(&format!(
        "[cloud.accounts.prod]\nsecret_id = \"env:PROD_ID\"\nsecret_key = \"env:PROD_KEY\"\nimages = [\"lhbp-6jc\"]\n\
         [cloud.accounts.golden]\n{ROLE}\nimages = [\"lhbp-6\", \"img-\"]\n\
         [cloud.accounts.tokyo]\n{ROLE}\nregions = [\"ap-tokyo\"]\n\
         [cloud.accounts.golden-tokyo]\n{ROLE}\nregions = [\"ap-tokyo\"]\nimages = [\"img-\"]\n"
    ))
    .unwrap();
    for (image, region, account) in [
        (Some("lhbp-6jc6l8yb"), "ap-tokyo", "prod"),
        (Some("lhbp-6zzzzzzz"), "ap-tokyo", "golden"),
        (Some("img-6pb6lrmy"), "ap-seoul", "golden"),
        (Some("img-6pb6lrmy"), "ap-tokyo", "golden-tokyo"),
        (Some("lhbp-su83x02a"), "ap-tokyo", "tokyo"),
        (None, "ap-tokyo", "tokyo"),
        (Some("lhbp-su83x02a"), "ap-seoul", DEFAULT_ACCOUNT),
        (None, "ap-seoul", DEFAULT_ACCOUNT),
    ] {
        let found = config
            .cloud
            .account_for(image, region)
            .map_or(DEFAULT_ACCOUNT, |a| a.name.as_str());
        assert_eq!(found, account, "{image:?} in {region}");
    }
    assert!(!format!("{config:?}").contains("HUSH"));
}

#[test]
fn what_is_ambiguous_or_unknown_is_refused_with_its_line() {
    let two = |first: &str, second: &str| {
        format!("[cloud.accounts.a]\n{ROLE}\n{first}\n[cloud.accounts.b]\n{ROLE}\n{second}\n")
    };
    let tokyo = "regions = [\"ap-tokyo\", \"ap-seoul\"]";
    for (text, place, expected) in [
        (
            two(tokyo, "regions = [\"ap-seoul\"]"),
            "c.toml:7",
            "a and b would both",
        ),
        (
            two("images = [\"img-\"]", "images = [\"lhbp-\", \"img-\"]"),
            "c.toml:7",
            "a and b would both",
        ),
        (
            format!("[cloud.accounts.a]\n{ROLE}\n"),
            "c.toml:4",
            "neither regions nor images",
        ),
        (
            format!("[cloud.accounts.a]\n{tokyo}\n"),
            "c.toml:4",
            "neither a role nor a key",
        ),
        (
            format!("[cloud.accounts.default]\n{ROLE}\n{tokyo}\n"),
            "c.toml:4",
            "account's name",
        ),
        (
            format!("[cloud.accounts.A_b]\n{ROLE}\n{tokyo}\n"),
            "c.toml:4",
            "account's name",
        ),
        (
            format!("[cloud.accounts.a]\nsecret_id = \"env:PROD_ID\"\n{tokyo}\n"),
            "c.toml:4",
            "half of a key",
        ),
        (
            format!(
                "[cloud.accounts.a]\nsecret_id = \"env:PROD_ID\"\nsecret_key = \"HUSH\"\n{tokyo}\n"
            ),
            "c.toml:6",
            "not a reference",
        ),
        (
            format!("[cloud.accounts.a]\n{ROLE}\nregions = [\"Mars\"]\n"),
            "c.toml:6",
            "region",
        ),
        (
            format!("[cloud.accounts.a]\n{ROLE}\nimages = [\"ami-1\"]\n"),
            "c.toml:6",
            "ami-1",
        ),
        (
            format!("[cloud.accounts.a]\n{ROLE}\nimages = [\"\"]\n"),
            "c.toml:6",
            "prefix of an image id",
        ),
        (
            format!("[cloud.accounts.a]\n{ROLE}\n{tokyo}\ncolour = 1\n"),
            "c.toml:7",
            "colour",
        ),
    ] {
        let Problems(problems) = read(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(
            problems[0].problem.contains(expected) && problems[0].field == place,
            "{text}: {problems:?}"
        );
        assert!(!format!("{problems:?}").contains("HUSH"));
    }
    // Two accounts do not conflict if one of them always matches better, or if they have no region
    // in common.
    assert!(read(&two(tokyo, "images = [\"img-\"]")).is_ok());
    assert!(read(&two("images = [\"img-\"]", "images = [\"img-6\"]")).is_ok());
    assert!(
        read(&two(
            "regions = [\"ap-tokyo\"]\nimages = [\"img-\"]",
            "regions = [\"ap-seoul\"]\nimages = [\"img-\"]"
        ))
        .is_ok()
    );
}
