//! The digest of a request's content. The journal binds each identity to the digest of the request.
//! If neither a request nor its delivery has an id, the digest also serves as the request's id.
//!
//! The digest of a recorded request must never change. Otherwise a redelivery of that request would
//! be a conflict, or would be carried out a second time. Therefore this file writes the hashed text
//! field by field and does not depend on how the types are serialised.
//!
//! Version 1 of the digest is the SHA-256 of one line of JSON without blanks, written in hex
//! without a prefix. The line has the fields `id` (always null), `action`, `target`, `region`,
//! `requester`, `approvers`, `ticket`, `reason`, `not_before` and `expires`, in this order. Texts
//! are as the sender wrote them, instants are in UTC, and an absent optional field is `null`. A
//! later release may add a field at the end, but must omit it from requests that do not use it, so
//! that those requests keep their digests. Any other change needs a version 2, whose digests begin
//! with `2:`.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::request::{Expiry, ShareRequest, Target};

impl ShareRequest {
    /// Returns the digest of the request's content without its id. `expires_in` is hashed as
    /// written and not as an instant, so a later delivery of the same ticket has the same digest.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.content_v1()))
    }

    fn content_v1(&self) -> String {
        let optional =
            |text: Option<String>| text.map_or_else(|| "null".to_owned(), |t| quoted(&t));
        let not_before = optional(self.not_before.map(|instant| instant.to_string()));
        let expires = match &self.expires {
            None => "null".to_owned(),
            Some(Expiry::At(instant)) => format!(r#"{{"at":{}}}"#, quoted(&instant.to_string())),
            Some(Expiry::In(span)) => format!(r#"{{"in":{}}}"#, quoted(&span.to_string())),
        };
        format!(
            r#"{{"id":null,"action":{},"target":{},"region":{},"requester":{},"approvers":{},"ticket":{},"reason":{},"not_before":{not_before},"expires":{expires}}}"#,
            quoted(self.action.as_str()),
            target_v1(&self.target),
            quoted(self.region.as_str()),
            quoted(&self.requester),
            list(self.approvers.iter().map(String::as_str)),
            optional(self.ticket.clone()),
            optional(self.reason.clone()),
        )
    }
}

fn target_v1(target: &Target) -> String {
    let (kind, accounts) = match target {
        Target::Blueprint { accounts, .. } => ("blueprint", Some(accounts)),
        Target::Cvm { accounts, .. } => ("cvm", Some(accounts)),
        Target::Lighthouse { .. } => ("lighthouse", None),
        Target::Chain { accounts, .. } => ("chain", Some(accounts)),
    };
    let image = quoted(target.image().as_str());
    match accounts {
        None => format!(r#"{{"kind":"{kind}","image":{image}}}"#),
        Some(accounts) => {
            let accounts = list(accounts.iter().map(|account| account.as_str()));
            format!(r#"{{"kind":"{kind}","image":{image},"accounts":{accounts}}}"#)
        }
    }
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(quoted).collect();
    format!("[{}]", quoted.join(","))
}

/// Writes `text` as a JSON string. This cannot fail, unlike serialising a struct.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ServedRegions;

    fn request(change: Value) -> ShareRequest {
        let mut value = json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
            "accounts": ["700000164995"], "requester": "alice@example.com"});
        for (name, field) in change.as_object().unwrap() {
            value[name] = field.clone();
        }
        ShareRequest::from_json(&value, &ServedRegions::default()).unwrap()
    }

    /// Existing journals contain such digests. A change that alters one of them needs a new
    /// version of the digest.
    #[test]
    fn the_digests_of_ten_requests_are_pinned() {
        let cvm = "img-6pb6lrmy";
        for (change, digest) in [
            (
                json!({}),
                "a1e288455313dfdf8c80cc0fb98c88c5d6411c1c8421ffcabe3a53effd6c7594",
            ),
            (
                json!({"id": "CHG0030192"}),
                "a1e288455313dfdf8c80cc0fb98c88c5d6411c1c8421ffcabe3a53effd6c7594",
            ),
            (
                json!({"action": "cancel"}),
                "a4376f447081e0873b154ea16e7ce1099a1d610221e16d1966635a1454fd156b",
            ),
            (
                json!({"image": cvm, "accounts": ["700000164995", "909619400"]}),
                "0adc0208487ce063851b197243c26cc458dd5ecab2b815d64a80d692c6689351",
            ),
            (
                json!({"image": cvm, "accounts": [], "lighthouse": true}),
                "138d8021ea6cc21492ddeac35879004ecdd55852414f276279a485c7ae444f88",
            ),
            (
                json!({"image": cvm, "lighthouse": true}),
                "687cf3a21307b1154dd46758951c74bda05d76f5257909fb94ad81e9b7cd3919",
            ),
            (
                json!({"approvers": ["Bob@Example.com ", "carol@example.com"]}),
                "7d697326971e1267c5e82ddd2cb6343230742a2ad4751e51d10605d9666d3877",
            ),
            (
                json!({"ticket": "CHG0030192", "reason": "a \"quoted\"\nüber\u{2028} reason"}),
                "3463e941fcaa01e7f7c5d151f7434396d893a85ffeaf93d9446410730d32a757",
            ),
            (
                json!({"not_before": "2026-11-01T12:00:00.5+08:00", "expires_at": "2026-12-31T00:00:00Z"}),
                "de92afc6b9cfd2d6ed764222bf3607169675d1809397fa0380747a378b492f92",
            ),
            (
                json!({"expires_in": "30d", "approvers": []}),
                "5ca011d7bd65e16d99bcecbfda46810518fd9741d58bb45f8ae046422523e80e",
            ),
        ] {
            assert_eq!(request(change.clone()).digest(), digest, "{change}");
        }
    }

    #[test]
    fn the_digest_is_of_the_content_without_the_id() {
        let of = |change| request(change).digest();
        assert_eq!(of(json!({"id": "1"})), of(json!({"id": "2"})));
        assert_eq!(of(json!({"ticket": null})), of(json!({})));
        let mut others: Vec<String> = [
            json!({}),
            json!({"reason": "other"}),
            json!({"ticket": "other"}),
            json!({"requester": "bob@example.com"}),
            json!({"requester": "Alice@example.com"}),
            json!({"approvers": ["bob@example.com"]}),
            json!({"approvers": ["bob@example.com", "carol@example.com"]}),
            json!({"accounts": ["909619400"]}),
            json!({"region": "ap-tokyo"}),
            json!({"expires_in": "1d"}),
            json!({"expires_in": "24h"}),
        ]
        .map(of)
        .to_vec();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), 11);
    }
}
