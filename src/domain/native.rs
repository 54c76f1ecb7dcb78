//! Reads native requests, which come from maps or directly from callers. Takes JSON and returns a
//! [`ShareRequest`], or all problems of the JSON at once. Refuses unknown fields.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::Action;
use super::fields::{Fields, kind_of};
use super::ids::{AccountId, ImageRef};
use super::problem::{Problem, Problems, shown};
use super::region::{Region, ServedRegions};
use super::request::{Expiry, ShareRequest, Target};

/// Maximum number of accounts in a request. CVM allows 500 accounts per image.
pub(crate) const MAX_ACCOUNTS: usize = 500;
const MAX_APPROVERS: usize = 50;
/// Maximum length of a reason, in characters.
const MAX_REASON: usize = 2_000;

const FIELDS: [&str; 13] = [
    "id",
    "action",
    "image",
    "region",
    "accounts",
    "lighthouse",
    "requester",
    "approvers",
    "ticket",
    "reason",
    "not_before",
    "expires_at",
    "expires_in",
];

impl ShareRequest {
    /// Reads a native request.
    ///
    /// # Errors
    /// Returns all problems, each with its field and remedy. A wrong value is never replaced by a
    /// default.
    pub fn from_json(value: &Value, rules: &ServedRegions) -> Result<Self, Problems> {
        let Value::Object(map) = value else {
            return Err(Problem::new(
                "request",
                format!("is {}", kind_of(value)),
                "send a JSON object",
            )
            .into());
        };
        let mut reader = Fields {
            map,
            problems: Vec::new(),
        };
        for name in map.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            reader.problems.push(Problem::new(
                shown_field(name),
                "is not a field of a share request",
                format!("remove it; the fields are {}", FIELDS.join(", ")),
            ));
        }
        let request = reader.request(rules);
        match request {
            Some(request) if reader.problems.is_empty() => Ok(request),
            _ => Err(Problems(reader.problems)),
        }
    }

    /// Checks the name of the person who reopens a request, and the reason for it. The same rules
    /// apply as for the fields `requester` and `reason` of a request, but the reason cannot be left
    /// out.
    ///
    /// # Errors
    /// Returns all problems of both texts.
    pub fn check_reopening(requester: &str, reason: &str) -> Result<(), Problems> {
        let fields = [("requester", requester), ("reason", reason)];
        let fields = fields.map(|(name, text)| (name.to_owned(), text.into()));
        let mut reader = Fields {
            map: &fields.into_iter().collect(),
            problems: Vec::new(),
        };
        reader.requester();
        reader.text_or("reason", MAX_REASON, "write it");
        match reader.problems.is_empty() {
            true => Ok(()),
            false => Err(Problems(reader.problems)),
        }
    }
}

impl Fields<'_> {
    fn request(&mut self, rules: &ServedRegions) -> Option<ShareRequest> {
        let id = self.text("id", 200);
        let action = self.action();
        let region = self.region();
        let target = self.target();
        if let (Some(target), Some(region)) = (&target, &region) {
            self.check_served(target, region, rules);
        }
        let requester = self.requester();
        let approvers = self.approvers();
        let ticket = self.text("ticket", 200);
        let reason = self.reason();
        let not_before = self.instant("not_before");
        let expires = self.expiry();
        if let (Some(Action::Cancel), Some(expiry)) = (action, &expires) {
            let field = match expiry {
                Expiry::At(_) => "expires_at",
                Expiry::In(_) => "expires_in",
            };
            self.problem(field, "a cancel does not expire", "remove it");
        }
        if let (Some(start), Some(Expiry::At(end))) = (not_before, &expires)
            && *end <= start
        {
            self.problem(
                "expires_at",
                "is not after not_before",
                "write an expires_at after not_before",
            );
        }
        Some(ShareRequest {
            id,
            action: action?,
            target: target?,
            region: region?,
            requester: requester?,
            approvers: approvers?,
            ticket,
            reason,
            not_before,
            expires,
        })
    }

    fn action(&mut self) -> Option<Action> {
        const REMEDY: &str = "write \"share\" or \"cancel\"";
        let text = self.required("action", 32, REMEDY)?;
        let action = text.parse().map_err(|_| {
            let problem = format!("{} is not an action", shown(&text));
            Problem::new("action", problem, REMEDY)
        });
        self.ok_or_report(action)
    }

    fn region(&mut self) -> Option<Region> {
        let remedy = "write the region of the image, as in \"ap-singapore\"";
        let region = self.required("region", 64, remedy)?.parse();
        self.ok_or_report(region)
    }

    fn check_served(&mut self, target: &Target, region: &Region, served: &ServedRegions) {
        let checked = match target {
            Target::Blueprint { .. } | Target::Lighthouse { .. } | Target::Chain { .. } => {
                served.check_lighthouse(region)
            }
            Target::Cvm { .. } => served.check_cvm(region),
        };
        self.problems.extend(checked.err());
    }

    fn target(&mut self) -> Option<Target> {
        let accounts = self.accounts();
        let lighthouse = self.flag("lighthouse");
        let remedy = "write a blueprint id (lhbp-…) or a CVM image id (img-…)";
        let image = self.required("image", 64, remedy)?.parse::<ImageRef>();
        let image = self.ok_or_report(image)?;
        let (accounts, lighthouse) = (accounts?, lighthouse?);
        match (image, lighthouse, accounts.is_empty()) {
            (ImageRef::Blueprint(_), true, _) => {
                self.problem(
                    "lighthouse",
                    "a blueprint is in Lighthouse already",
                    "leave lighthouse out for an lhbp-… image",
                );
                None
            }
            (ImageRef::Blueprint(_), false, true) | (ImageRef::Cvm(_), false, true) => {
                self.problem(
                    "accounts",
                    "names no account",
                    "name at least one root account; there is no \"all\"",
                );
                None
            }
            (ImageRef::Blueprint(image), false, false) => {
                Some(Target::Blueprint { image, accounts })
            }
            (ImageRef::Cvm(image), false, false) => Some(Target::Cvm { image, accounts }),
            (ImageRef::Cvm(image), true, true) => Some(Target::Lighthouse { image }),
            (ImageRef::Cvm(image), true, false) => Some(Target::Chain { image, accounts }),
        }
    }

    fn accounts(&mut self) -> Option<Vec<AccountId>> {
        let list = self.array("accounts")?;
        if list.len() > MAX_ACCOUNTS {
            self.problem(
                "accounts",
                format!("has {} entries", list.len()),
                format!("name {MAX_ACCOUNTS} accounts at most"),
            );
            return None;
        }
        let mut accounts: Vec<AccountId> = Vec::with_capacity(list.len());
        let mut seen = BTreeSet::new();
        let before = self.problems.len();
        for (index, entry) in list.iter().enumerate() {
            let field = format!("accounts[{index}]");
            match entry {
                Value::String(text) => match text.parse::<AccountId>() {
                    Ok(id) if seen.insert(id.clone()) => accounts.push(id),
                    Ok(_) => {}
                    Err(problem) => self.problems.push(Problem { field, ..problem }),
                },
                other => accounts.extend(self.wrong_type(&field, other, "write a JSON string")),
            }
        }
        (self.problems.len() == before).then_some(accounts)
    }

    fn approvers(&mut self) -> Option<Vec<String>> {
        let list = self.array("approvers")?;
        if list.len() > MAX_APPROVERS {
            let remedy = format!("name {MAX_APPROVERS} approvers at most");
            self.problem("approvers", format!("has {} entries", list.len()), remedy);
            return None;
        }
        let before = self.problems.len();
        let mut approvers = Vec::with_capacity(list.len());
        for (index, entry) in list.into_iter().enumerate() {
            let name = self.person(&format!("approvers[{index}]"), &entry);
            approvers.extend(name.filter(|name| !approvers.contains(name)));
        }
        (self.problems.len() == before).then_some(approvers)
    }

    fn requester(&mut self) -> Option<String> {
        let Some(value) = self.present("requester").cloned() else {
            let remedy = "write the requester's user id or address, as the ticket system has it";
            self.problem("requester", "is missing", remedy);
            return None;
        };
        self.person("requester", &value)
    }

    fn reason(&mut self) -> Option<String> {
        self.text("reason", MAX_REASON)
    }

    fn expiry(&mut self) -> Option<Expiry> {
        if self.present("expires_at").is_some() && self.present("expires_in").is_some() {
            self.problem(
                "expires_in",
                "is given together with expires_at",
                "keep one of the two",
            );
            return None;
        }
        if let Some(instant) = self.instant("expires_at") {
            return Some(Expiry::At(instant));
        }
        let span = self.text("expires_in", 32)?.parse();
        self.ok_or_report(span).map(Expiry::In)
    }
}

/// Returns the name of an unknown field for a message. Quotes and escapes it unless it is a short
/// plain word.
fn shown_field(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=40).contains(&name.len()) && name.bytes().all(plain) {
        name.to_owned()
    } else {
        shown(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use serde_json::json;

    fn read(value: Value) -> Result<ShareRequest, Problems> {
        ShareRequest::from_json(&value, &ServedRegions::default())
    }

    fn base() -> Value {
        json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
               "accounts": ["700000164995"], "requester": "alice@example.com"})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut v = base();
        v[field] = value;
        v
    }

    #[test]
    fn the_shape_decides_the_operation() {
        let cases = [
            (base(), "blueprint"),
            (with("image", json!("img-6pb6lrmy")), "cvm"),
            (
                json!({"action":"share","image":"img-6pb6lrmy","region":"ap-singapore","lighthouse":true,"requester":"a"}),
                "lighthouse",
            ),
            (
                {
                    let mut v = with("image", json!("img-6pb6lrmy"));
                    v["lighthouse"] = json!(true);
                    v
                },
                "chain",
            ),
        ];
        for (value, kind) in cases {
            let request = read(value).unwrap();
            assert_eq!(serde_json::to_value(&request.target).unwrap()["kind"], kind);
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let problems = read(json!({"action": "give", "image": "ami-1", "region": "mars", "accounts": ["abc", 7], "colour": "red"})).unwrap_err();
        let fields: Vec<&str> = problems.0.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "colour",
                "action",
                "region",
                "accounts[0]",
                "accounts[1]",
                "image",
                "requester"
            ]
        );
    }

    #[test]
    fn refusals_name_the_field() {
        let long = "x".repeat(3_000);
        let many: Vec<String> = (0..501)
            .map(|n| format!("{}", 700_000_000_000_u64 + n))
            .collect();
        for (value, field) in [
            (with("accounts", json!([])), "accounts"),
            (with("accounts", json!(null)), "accounts"),
            (with("accounts", json!("700000164995")), "accounts"),
            (with("accounts", json!(many)), "accounts"),
            (with("region", json!("mars-north-1")), "region"),
            (with("region", json!("na-toronto")), "region"),
            (with("lighthouse", json!(true)), "lighthouse"),
            (with("lighthouse", json!("yes")), "lighthouse"),
            (with("requester", json!("  ")), "requester"),
            (with("reason", json!(long)), "reason"),
            (with("ticket", json!("a\u{0}b")), "ticket"),
            (with("not_before", json!("tomorrow")), "not_before"),
            (with("not_before", json!("2026-12-31")), "not_before"),
            (with("expires_in", json!("P30D")), "expires_in"),
            (with("approvers", json!(["ok", 3])), "approvers[1]"),
            (with("approvers", json!(["ok", " "])), "approvers[1]"),
            (
                with("approvers", json!(["ok", "Alice <alice@example.com>"])),
                "approvers[1]",
            ),
            (
                with("requester", json!("alice\u{200b}@example.com")),
                "requester",
            ),
            (
                with("requester", json!("\u{430}lice@example.com")),
                "requester",
            ),
            (with("requester", json!(7)), "requester"),
            (with("requester", json!("x".repeat(257))), "requester"),
            (
                json!({"action":"cancel","image":"lhbp-6jc6l8yb","region":"ap-singapore","accounts":["700000164995"],"requester":"a","expires_in":"3d"}),
                "expires_in",
            ),
            (
                json!({"action":"share","image":"img-6pb6lrmy","region":"ap-singapore","requester":"a","lighthouse":false}),
                "accounts",
            ),
        ] {
            let problems = read(value.clone()).unwrap_err();
            assert!(
                problems.0.iter().any(|p| p.field == field),
                "{value}: {problems}"
            );
        }
    }

    #[test]
    fn instants_have_the_form_of_rfc_3339() {
        for (text, is_read) in [
            ("2026-12-31T00:00:00Z", true),
            ("2026-12-31t00:00:00z", true),
            ("2026-12-31 00:00:00Z", true),
            ("2026-12-31T00:00:00.5Z", true),
            ("2026-12-31T00:00:00.123456789+08:00", true),
            ("2026-12-31T00:00:00-00:00", true),
            ("2026-12-31T00:00:00+23:59", true),
            ("2026-12-31T23:59:60Z", true),
            ("20261231T000000Z", false),
            ("2026-12-31T00:00Z", false),
            ("2026-12-31T00Z", false),
            ("2026-12-31T00:00:00+25:59", false),
            ("2026-12-31T00:00:00+24:00", false),
            ("2026-12-31T00:00:00+05:60", false),
            ("2026-12-31T00:00:00+0530", false),
            ("2026-12-31T00:00:00+05", false),
            ("2026-12-31T00:00:00,5Z", false),
            ("2026-12-31T00:00:00.Z", false),
            ("2026-12-31T00:00:00Z[Europe/Berlin]", false),
            ("2026-12-31T00:00:00+01:00[Europe/Berlin]", false),
            ("+002026-12-31T00:00:00Z", false),
            ("-002026-12-31T00:00:00Z", false),
            ("2026-12-31T24:00:00Z", false),
            ("2027-02-29T00:00:00Z", false),
            ("2026-12-31T00:00:00", false),
            ("2026-12-31", false),
            ("2026-12-31T00:00:0\u{660}Z", false),
        ] {
            for field in ["expires_at", "not_before"] {
                let request = read(with(field, json!(text)));
                assert_eq!(request.is_ok(), is_read, "{field} {text}: {request:?}");
            }
        }
    }

    #[test]
    fn people_are_kept_as_written() {
        let mut value = with("approvers", json!(["Bob@Example.com ", "bob@example.com"]));
        value["requester"] = json!(" Alice@example.com");
        let request = read(value).unwrap();
        assert_eq!(request.requester, " Alice@example.com");
        assert_eq!(request.approvers, ["Bob@Example.com ", "bob@example.com"]);
    }

    #[test]
    fn every_bad_name_is_reported_with_its_remedy() {
        let names = json!(["bob", "mailto:bob@example.com", "bob@example.com."]);
        let problems = read(with("approvers", names)).unwrap_err();
        let fields: Vec<&str> = problems.0.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["approvers[1]", "approvers[2]"]);
        assert!(problems.0.iter().all(|p| !p.remedy.is_empty()));
    }

    #[test]
    fn duplicates_of_an_account_count_once() {
        let request = read(with(
            "accounts",
            json!(["700000164995", "909619400", "700000164995"]),
        ))
        .unwrap();
        assert_eq!(request.target.accounts().len(), 2);
    }

    #[test]
    fn an_operator_can_add_a_region() {
        let mut value = with("image", json!("img-6pb6lrmy"));
        value["region"] = json!("ap-osaka");
        assert!(read(value.clone()).is_err());
        let rules = ServedRegions {
            added: ["ap-osaka".to_owned()].into(),
            ..ServedRegions::default()
        };
        assert!(ShareRequest::from_json(&value, &rules).is_ok());
        for (image, lighthouse) in [("img-6pb6lrmy", true), ("lhbp-6jc6l8yb", false)] {
            value["image"] = json!(image);
            value["lighthouse"] = json!(lighthouse);
            assert!(read(value.clone()).is_err(), "{image}");
            assert!(ShareRequest::from_json(&value, &rules).is_ok(), "{image}");
        }
    }

    #[test]
    fn expires_in_counts_from_approval() {
        let request = read(with("expires_in", json!("30d"))).unwrap();
        let approved: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            request.expires_at(approved).unwrap().to_string(),
            "2026-12-01T00:00:00Z"
        );
    }
}
