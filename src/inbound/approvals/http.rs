//! Reads tickets of any system with an HTTP API. The configuration says where an event contains the
//! id of a ticket, where the ticket is fetched, and where the ticket contains its own id. This file
//! extracts the ids, builds the path of the GET and reads its answer. It sends nothing.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::api::{Rejected, Rejection};
use super::instance::{InstanceState, Named, Said};
use crate::domain::{Problem, Problems, Timestamp, read_json, shown};
use crate::mapping::Program;

const PLACE: &str = "{id}";
const MAX_ID: usize = 64;

/// A jq filter that yields an id, or nothing.
#[derive(Clone)]
pub struct IdFilter(Arc<Program>);

impl fmt::Debug for IdFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdFilter")
    }
}

impl IdFilter {
    /// Compiles a filter. Problems refer to the filter as `name`.
    ///
    /// # Errors
    /// Returns the problems that [`Program::compile`] finds.
    pub fn read(text: &str, name: &str) -> Result<Self, Problems> {
        let program = Program::compile(text, name)?;
        Ok(Self(Arc::new(program)))
    }

    /// Returns the id in a value, or `None` if the filter yields nothing or null.
    fn find(&self, value: &Value, now: Timestamp) -> Result<Option<String>, String> {
        let found = match self.0.run(value, now.as_second())?.as_slice() {
            [] | [Value::Null] => return Ok(None),
            [Value::String(text)] => text.clone(),
            [Value::Number(number)] if !number.is_f64() => number.to_string(),
            [_] => return Err("yields neither a text nor a whole number".to_owned()),
            several => return Err(format!("yields {} values instead of one", several.len())),
        };
        if !is_id(&found) {
            return Err(format!(
                "yields {}, which is not an id: an id has at most {MAX_ID} letters, digits, - _ . and :, \
                 and begins with a letter or digit",
                shown(&found)
            ));
        }
        Ok(Some(found))
    }
}

/// Whether `text` is an id that needs no encoding in a path or a query, and cannot lead to another
/// path.
fn is_id(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && text.len() <= MAX_ID && text.bytes().all(good)
}

/// How the tickets of a source are found, as configured.
#[derive(Debug, Clone)]
pub struct TicketRules {
    /// Yields the id of the ticket that an event names.
    pub id: IdFilter,
    /// Yields the id of a fetched ticket.
    pub instance_id: IdFilter,
    /// Where a ticket is fetched.
    pub path: TicketPath,
}

/// The path of a ticket, and the query if there is one, with one placeholder for the ticket's id.
#[derive(Debug, Clone)]
pub struct TicketPath(String);

impl TicketPath {
    /// Splits the address of a ticket into the part up to the port, and the rest.
    ///
    /// # Errors
    /// Fails if the address has no scheme, if the rest does not contain `{id}` exactly once, or if
    /// the host contains it.
    pub fn split(url: &str) -> Result<(String, Self), Problem> {
        let wrong = |problem: &str| {
            let remedy = "write it as in \"https://acme.zendesk.com/api/v2/tickets/{id}.json\"";
            Problem::new("url", problem, remedy)
        };
        let (_, below) = url
            .split_once("://")
            .ok_or_else(|| wrong("does not begin with https:// or http://"))?;
        let path = below.find('/').and_then(|at| below.get(at..));
        let path = path.unwrap_or_default();
        let host = url.strip_suffix(path).unwrap_or(url);
        if host.contains(PLACE) || path.matches(PLACE).count() != 1 {
            let problem = "does not contain {id} exactly once in its path or query";
            return Err(wrong(problem));
        }
        Ok((host.to_owned(), Self(path.to_owned())))
    }

    /// Returns the path of the ticket with this id.
    pub fn of(&self, id: &str) -> String {
        self.0.replace(PLACE, id)
    }
}

impl TicketRules {
    /// Returns the ticket that an event names, or `None` if it names none.
    ///
    /// # Errors
    /// Fails if the filter fails, or if it yields something that is not an id.
    pub fn named(&self, event: &Value, now: Timestamp) -> Result<Option<Named>, Problem> {
        let found = self.id.find(event, now).map_err(|why| {
            let remedy = "correct `id` of `fetch`, or the event at its sender; docs/senders/http.md says what an id is";
            Problem::new("fetch.id", why, remedy)
        })?;
        Ok(found.map(|id| Named {
            definition: String::new(),
            instance: id,
            said: Said::Approved,
        }))
    }

    /// Returns `Approved` if the answer is the requested ticket. This only means that the map reads
    /// the ticket next and decides. Otherwise returns `Pending`, so that the ticket is fetched again
    /// later: a mistake in `instance_id` must not lose an approval.
    pub fn state(&self, named: &Named, ticket: Value, now: Timestamp) -> InstanceState {
        let why = match self.instance_id.find(&ticket, now) {
            Ok(Some(id)) if id == named.instance => return InstanceState::Approved(ticket),
            Ok(Some(id)) => format!("yields {}", shown(&id)),
            Ok(None) => "yields nothing".to_owned(),
            Err(why) => why,
        };
        let asked = &named.instance;
        InstanceState::Pending(format!(
            "the answer is not ticket {asked}: `instance_id` of `fetch` {why}"
        ))
    }
}

/// Parses the answer to the GET. The reason of a rejection never quotes the body. Many systems
/// answer 404 for tickets that the login may not see, so only status 410 means that a ticket is
/// gone.
pub fn read_ticket(status: u16, body: &[u8]) -> Result<Value, Rejected> {
    let hint = match status {
        200 => match read_json(body) {
            Ok(ticket) => return Ok(ticket),
            Err(_) => ", but not with JSON",
        },
        300..=399 => ", and redirects are not followed; correct `url` of `fetch`",
        401 | 403 => "; check `auth` of `fetch`",
        404 => "; check `url` of `fetch`, and what its login may see",
        _ => "",
    };
    Err(Rejected {
        why: format!("answers HTTP {status}"),
        quoted: Vec::new(),
        hint,
        kind: match status {
            410 => Rejection::Gone,
            _ => Rejection::Other,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn rules() -> TicketRules {
        let filter = |text: &str| IdFilter::read(text, "id").unwrap();
        let url = "https://acme.example/api/v2/tickets/{id}.json?include=users";
        TicketRules {
            id: filter(".ticket.id"),
            instance_id: filter(".ticket.id"),
            path: TicketPath::split(url).unwrap().1,
        }
    }

    #[test]
    fn an_event_gives_an_id_and_nothing_else_to_the_address() {
        for (id, path) in [
            (json!("35436"), "/api/v2/tickets/35436.json?include=users"),
            (json!(35436), "/api/v2/tickets/35436.json?include=users"),
            (json!("OPS-12"), "/api/v2/tickets/OPS-12.json?include=users"),
            (
                json!("a:b_c.d"),
                "/api/v2/tickets/a:b_c.d.json?include=users",
            ),
        ] {
            let named = rules().named(&json!({"ticket": {"id": id}}), NOW).unwrap();
            assert_eq!(rules().path.of(&named.unwrap().instance), path);
        }
        for none in [json!({}), json!({"ticket": {"id": null}})] {
            assert_eq!(rules().named(&none, NOW).unwrap(), None);
        }
        let long = "1".repeat(5_000);
        for bad in [
            json!(""),
            json!("."),
            json!(".."),
            json!("../users/1"),
            json!("1/../2"),
            json!("1%2f..%2f2"),
            json!("1?x=1"),
            json!("1#x"),
            json!("1&x=1"),
            json!("1@evil.example"),
            json!("1\r\nx: y"),
            json!("1\\2"),
            json!("1 2"),
            json!("\u{fe00}1"),
            json!("-1"),
            json!(-1),
            json!(1.5),
            json!(true),
            json!(["1"]),
            json!({"a": 1}),
            json!(long),
        ] {
            let problem = rules().named(&json!({"ticket": {"id": bad}}), NOW);
            let problem = problem.unwrap_err();
            assert_eq!(problem.field, "fetch.id", "{bad}");
            assert!(problem.problem.len() < 250, "{problem}");
        }
    }

    #[test]
    fn the_ticket_must_be_the_one_that_was_asked_for() {
        let named = rules().named(&json!({"ticket": {"id": "7"}}), NOW);
        let named = named.unwrap().unwrap();
        let state = |ticket: Value| rules().state(&named, ticket, NOW);
        let good = json!({"ticket": {"id": 7}});
        assert_eq!(state(good.clone()), InstanceState::Approved(good));
        for (bad, says) in [
            (json!({"ticket": {"id": 8}}), "yields \"8\""),
            (json!({"ticket": {}}), "yields nothing"),
            (json!({"ticket": "7"}), "index"),
            (json!([]), "index"),
        ] {
            match state(bad.clone()) {
                InstanceState::Pending(why) => assert!(why.contains(says), "{bad}: {why}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_is_a_ticket_or_a_reason() {
        assert_eq!(read_ticket(200, b"{\"a\":1}").unwrap(), json!({"a": 1}));
        for (status, body, says, kind) in [
            (200, "<html>", "not with JSON", Rejection::Other),
            (200, "{\"a\":1,\"a\":2}", "not with JSON", Rejection::Other),
            (204, "", "HTTP 204", Rejection::Other),
            (302, "{}", "redirects are not followed", Rejection::Other),
            (401, "{}", "check `auth`", Rejection::Other),
            (403, "{}", "check `auth`", Rejection::Other),
            (404, "{}", "may see", Rejection::Other),
            (410, "{}", "HTTP 410", Rejection::Gone),
            (429, "{}", "HTTP 429", Rejection::Other),
            (503, "secret", "HTTP 503", Rejection::Other),
        ] {
            let rejected = read_ticket(status, body.as_bytes()).unwrap_err();
            let reason = rejected.reason(str::to_owned);
            assert!(reason.contains(says), "{reason}");
            assert!(!reason.contains("secret"), "{reason}");
            assert_eq!(rejected.kind, kind, "{rejected:?}");
        }
    }

    #[test]
    fn an_address_has_one_place_for_the_id_and_not_in_its_host() {
        let (host, path) = TicketPath::split("https://a.example:8443/t?id={id}").unwrap();
        assert_eq!(
            (host.as_str(), path.of("7").as_str()),
            ("https://a.example:8443", "/t?id=7")
        );
        for bad in [
            "https://a.example/t",
            "https://a.example",
            "https://a.example?id={id}",
            "https://{id}.example/t",
            "https://{id}.example/{id}",
            "https://a.example/{id}/{id}",
            "a.example/{id}",
            "",
        ] {
            assert!(TicketPath::split(bad).is_err(), "{bad}");
        }
        let problem = TicketPath::split("a.example/{id}").unwrap_err().problem;
        assert_eq!(problem, "does not begin with https:// or http://");
    }
}
