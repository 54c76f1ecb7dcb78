//! Reduces the shipped samples to some sources. In: names of sources in the sample configuration.
//! Out: the text of each file of the new folder.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::inbound::Map;

mod readme;

const CONFIGURATION: &str = include_str!("../../../../sharehook.local.toml");
const ENTITIES: &str = include_str!("../../../../policy/entities.json");
const CASES: [&str; 2] = [
    include_str!("../../../../policy/cases/allow-list.toml"),
    include_str!("../../../../policy/cases/senders.toml"),
];

/// Files of the repository, each as its path and its text.
macro_rules! shipped {
    ($($path:literal)*) => { [$(($path, include_str!(concat!("../../../../", $path)))),*] };
}

/// The policies, their schema and the configuration's schema, which every new folder gets.
const POLICIES: [(&str, &str); 7] = shipped![
    "policy/allow-list.cedar"
    "policy/approvals.cedar"
    "policy/expiry-cap.cedar"
    "policy/four-eyes.cedar"
    "policy/schema.cedarschema"
    "policy/unsigned-sources.cedar"
    "sharehook.schema.json"
];

/// The events of the sample's cases.
const EVENTS: [(&str, &str); 30] = shipped![
    "events/body-dingtalk-approved.json"
    "events/body-eventbridge-approved.json"
    "events/body-eventbridge-by-sns.json"
    "events/body-feishu-approved.json"
    "events/body-freshservice-approved.json"
    "events/body-github-approved.json"
    "events/body-gitlab-approved.json"
    "events/body-jira-approved.json"
    "events/body-jira-denied.json"
    "events/body-jira-edited.json"
    "events/body-linear-approved.json"
    "events/body-opsgenie-approved.json"
    "events/body-pagerduty-approved.json"
    "events/body-servicenow-approved.json"
    "events/body-slack-approved.form"
    "events/body-sns-in-sqs.json"
    "events/body-stepfunctions-approved.json"
    "events/body-wecom-approved.json"
    "events/body-zendesk-approved.json"
    "events/body-zendesk-ticket-approved.json"
    "events/body-native.json"
    "policy/cases/events/desk-cancels-staging.json"
    "policy/cases/events/desk-to-sandbox.json"
    "policy/cases/events/desk-to-staging.json"
    "policy/cases/events/display-name.json"
    "policy/cases/events/not-a-request.json"
    "policy/cases/events/own-approval.json"
    "policy/cases/events/partner-for-a-week.json"
    "policy/cases/events/partner-without-end.json"
    "policy/cases/events/unknown-approver.json"
];

/// The folder of the cases' events.
const CASE_EVENTS: &str = "policy/cases/events";
/// The file with a message of the queue as its host hands it over.
const QUEUE_EVENT: &str = "policy/cases/events/sqs-approved.json";
/// The value of the variable in [`QUEUE_ORIGIN`].
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:share-requests";
/// The origin of the queue's messages in the sample configuration.
pub(super) const QUEUE_ORIGIN: &str = "env:SHAREHOOK_QUEUE_ARN";

/// The source for commands such as `revoke`, which every new folder has.
const OPERATORS: &str = "operators";

/// A `[[source]]` of the sample configuration.
#[derive(Debug, Deserialize)]
struct Source {
    name: String,
    scheme: String,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    from: Vec<String>,
    map: Option<String>,
    fetch: Option<Fetch>,
    /// The source's lines in the sample, without comments and without `map`.
    #[serde(skip)]
    lines: String,
}

/// The fields of `fetch` on which the new folder depends.
#[derive(Debug, Deserialize)]
struct Fetch {
    preset: String,
    app_secret: Option<String>,
    auth: Option<Login>,
}

#[derive(Debug, Deserialize)]
struct Login {
    basic: String,
}

/// The shipped sample, reduced to some sources.
pub(super) struct Sample {
    sources: Vec<Source>,
}

impl Sample {
    /// Selects the sources with these names, and the one for operators. Ignores repeated names.
    ///
    /// # Errors
    /// The sample configuration has no source with one of the names.
    pub(super) fn of(names: &[String]) -> Result<Self, String> {
        let mut known: BTreeMap<String, Source> = BTreeMap::new();
        for block in CONFIGURATION.split("[[source]]").skip(1) {
            let mut source: Source = toml::from_str(block).map_err(|error| error.to_string())?;
            let lines = block.lines().filter(|line| {
                !line.is_empty() && !line.starts_with("map") && !line.starts_with('#')
            });
            let line =
                |line: &str| format!("{}\n", line.split("  #").next().unwrap_or(line).trim_end());
            source.lines = lines.map(line).collect();
            known.insert(source.name.clone(), source);
        }
        let operators = known.remove(OPERATORS);
        let available = known.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut sources: Vec<Source> = Vec::new();
        for name in names {
            match known.remove(name) {
                Some(source) => sources.push(source),
                None if sources.iter().any(|source| source.name == *name) => {}
                None => {
                    let hint = match name.as_str() {
                        "lark" => "; take feishu, and write lark for it in `scheme` and `preset`",
                        _ => "",
                    };
                    return Err(format!(
                        "--source {name:?} is unknown; the samples are for {available}{hint}"
                    ));
                }
            }
        }
        sources.extend(operators);
        let has_invoke = sources.iter().any(|source| source.name == "invoke");
        for source in &mut sources {
            source.lines = source
                .lines
                .replace("acme.zendesk.com", "zendesk.example.com");
            match source.name.as_str() {
                // Two sources cannot have the same origin.
                "stepfunctions" if !has_invoke => source.receive_from(&["invoke"]),
                "eventbridge" => {
                    source.receive_from(&["events:us-east-1:000000000000:com.example.approvals"]);
                }
                _ => {}
            }
        }
        Ok(Self { sources })
    }

    /// Sets the origins of the queue's messages.
    pub(super) fn receive_queue_from(&mut self, origins: &[&str]) {
        for source in self.sources.iter_mut().filter(|one| one.name == "queue") {
            source.receive_from(origins);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.name == name)
    }

    /// The configuration, policies, maps and cases: files without secrets, each as its path in the
    /// folder and its text.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let mut files: Vec<(String, String)> = POLICIES.iter().map(owned).collect();
        files.push(("sharehook.toml".to_owned(), self.configuration()));
        files.push(("policy/entities.json".to_owned(), self.entities()));
        for (map, text) in self.maps() {
            files.push((format!("maps/{map}.jq"), text.to_owned()));
        }
        let events = self.events();
        files.extend(events.map(|(name, text)| (format!("{CASE_EVENTS}/{name}"), text.to_owned())));
        if let Some(event) = self.queue_event() {
            files.push((QUEUE_EVENT.to_owned(), event));
        }
        files.push(("policy/cases/sample.toml".to_owned(), self.cases()));
        files
    }

    /// The events that the cases name, each as its file's name and its text.
    fn events(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let cases = self.cases();
        let named = EVENTS.into_iter().map(|(path, text)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            (name, text)
        });
        named.filter(move |(name, _)| cases.contains(&format!("\"events/{name}\"")))
    }

    /// A message of the queue as its host hands it over, for `invoke`; `None` if the folder has no
    /// source `queue`, or one that does not receive from the sample's queue.
    fn queue_event(&self) -> Option<String> {
        let receives = |source: &Source| source.from.iter().any(|from| from == QUEUE_ORIGIN);
        self.sources.iter().find(|source| receives(source))?;
        let (event, _) = self.allowed_event("queue");
        let mut events = self.events();
        let (_, body) = events.find(|(name, _)| event.ends_with(name))?;
        let message = json!({
            "messageId": "00000000-0000-4000-8000-000000000001",
            "receiptHandle": "1",
            "body": body,
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": QUEUE_ARN,
            "awsRegion": "us-east-1",
        });
        Some(format!("{:#}\n", json!({ "Records": [message] })))
    }

    fn configuration(&self) -> String {
        let mut text = String::from(
            "#:schema ./sharehook.schema.json\n\
             journal = \"file:journal\"   # or s3://bucket/prefix, gs://…, az://…\n\
             policy  = \"policy\"\n\n\
             [check]\n\
             allow = [\"endless-share\"]  # staging and sandbox accounts may keep an image: policy/expiry-cap.cedar\n\n\
             [cloud]\n\
             site = \"intl\"              # intl or cn: the sites share no accounts\n",
        );
        for source in &self.sources {
            let (lines, map) = (&source.lines, source.map());
            text += &format!("\n[[source]]\n{lines}map     = \"maps/{map}.jq\"\n");
        }
        text
    }

    /// The sample's entities, each on a line: without those of other sources, and of the images and
    /// accounts only those that a case uses and the first of each group.
    fn entities(&self) -> String {
        let used: String = self.events().map(|(_, text)| text).collect();
        let mut groups = BTreeSet::new();
        let keep = |line: &&str| {
            let entity: Value =
                serde_json::from_str(line.trim_end_matches(',')).unwrap_or_default();
            let part = |at| entity.pointer(at).and_then(Value::as_str);
            let id = part("/uid/id").unwrap_or_default();
            match part("/uid/type") {
                Some("Share::Source") => self.has(id),
                Some("Share::Requester") => id
                    .split_once('/')
                    .is_some_and(|(source, _)| self.has(source)),
                Some("Share::Account" | "Share::Image") => {
                    let group = entity.get("parents").map(Value::to_string);
                    groups.insert(group) || used.contains(id)
                }
                Some(_) => true,
                None => false,
            }
        };
        let lines = ENTITIES.lines().map(str::trim).filter(keep);
        let lines = lines.map(|line| format!("  {}", line.trim_end_matches(',')));
        format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
    }

    fn maps(&self) -> BTreeMap<&str, &'static str> {
        let names = self.sources.iter().map(Source::map);
        names
            .filter_map(|name| Some((name, Map::builtin_text(name)?)))
            .collect()
    }

    /// The sample's cases for these sources. Their events are in a folder beside the cases.
    fn cases(&self) -> String {
        let mut text =
            String::from("# `sharehook test` runs these cases. Nothing is called or written.\n");
        for block in CASES
            .iter()
            .flat_map(|cases| cases.split("[[case]]").skip(1))
        {
            let source = block
                .lines()
                .find_map(|line| line.strip_prefix("source = "));
            if source.is_some_and(|name| self.has(name.trim_matches('"'))) {
                let block = block.replace("\"../../events/", "\"events/");
                text += &format!("\n[[case]]{}\n", block.trim_end());
            }
        }
        text
    }

    /// The names of the variables that contain secrets, each with the argument `scheme` for
    /// [`secret`]: the source's scheme, or for a secret of `fetch` another word.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let of_source = |source: &Source| {
            let secrets = source.secrets.iter().map(|text| (text, &*source.scheme));
            let fetch = source.fetch.iter();
            let fetch = fetch.flat_map(|fetch| {
                let app = fetch.app_secret.iter().map(|text| (text, "an app's"));
                app.chain(fetch.auth.iter().map(|login| (&login.basic, "basic")))
            });
            let all = secrets.chain(fetch);
            let all = all.filter_map(|(text, scheme)| Some((text.strip_prefix("env:")?, scheme)));
            let all: Vec<_> = all
                .map(|(name, scheme)| (name.to_owned(), scheme.to_owned()))
                .collect();
            all
        };
        self.sources.iter().flat_map(of_source).collect()
    }

    /// All variables that the configuration reads.
    pub(super) fn variable_names(&self) -> Vec<String> {
        let origins = self.sources.iter().flat_map(|source| &source.from);
        let origins = origins.filter_map(|origin| origin.strip_prefix("env:"));
        let secrets = self.secrets().into_iter().map(|(name, _)| name);
        secrets.chain(origins.map(str::to_owned)).collect()
    }

    /// Lines of `.env` with a value for each variable that contains no secret.
    pub(super) fn variables(&self) -> String {
        let origins = self.sources.iter().flat_map(|source| &source.from);
        let names = origins.filter_map(|origin| origin.strip_prefix("env:"));
        names.map(|name| format!("{name}={QUEUE_ARN}\n")).collect()
    }
}

impl Source {
    /// Replaces the origins of the source, which has one.
    fn receive_from(&mut self, origins: &[&str]) {
        let listed = origins.join("\", \"");
        for origin in &self.from {
            self.lines = self.lines.replace(origin, &listed);
        }
        self.from = origins.iter().map(ToString::to_string).collect();
    }

    fn map(&self) -> &str {
        self.map.as_deref().unwrap_or("native")
    }
}

/// A secret made of the random `seed`, in the form that `scheme` needs.
pub(super) fn secret(scheme: &str, seed: &[u8; 32]) -> String {
    let text = STANDARD.encode(seed);
    match scheme {
        "standard-webhooks" => format!("whsec_{text}"),
        "basic" => format!("sharehook:{text}"),
        // DingTalk and WeCom make a token, and a key of 43 letters and digits.
        "dingtalk" | "wecom" => {
            let digits = hex::encode(seed);
            let (token, key) = digits.split_at_checked(21).unwrap_or_default();
            format!("{token}:{key}")
        }
        _ => text,
    }
}
