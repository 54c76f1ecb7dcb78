//! Writes the README of the new folder. In: the selected sources with their cases. Out: three steps,
//! of which the first two work unchanged.

use crate::inbound::{SchemeKind, SchemeSpec, TimeSource};

use super::{Fetch, OPERATORS, Sample, Source};

impl Sample {
    pub(in super::super) fn readme(&self) -> String {
        let signed = self
            .sources
            .iter()
            .find(|source| !source.secrets.is_empty());
        let send = match signed {
            Some(source) => self.send(source),
            None => self.invoke(),
        };
        let tried = self.sources.first().map_or_else(String::new, |source| {
            let (event, now) = self.allowed_event(&source.name);
            let now = match source.time_field() {
                Some(_) => format!(" \\\n     --now {now}"),
                None => String::new(),
            };
            format!(
                "sharehook try --source {} --body {event}{now}\n",
                source.name
            )
        });
        let settings = self.settings();
        format!(
            "# Image sharing with sharehook\n\n\
             `sharehook.toml` names the sources, `maps/` turns their events into requests, and\n\
             `policy/` decides. `.env` has a random secret for each source; do not commit it.\n\n\
             1. Check, and see what an event asks for. Nothing is called:\n\n\
             \x20  ```sh\n\
             \x20  set -a; . ./.env; set +a\n\
             \x20  sharehook check\n\
             \x20  sharehook test\n\
             \x20  {tried}\
             \x20  ```\n\n\
             2. Serve with a stand-in cloud:\n\n\
             \x20  ```sh\n\
             \x20  sharehook serve --sandbox\n\
             \x20  ```\n\n\
             {send}\n\
             3. Make it yours: in `policy/entities.json` replace the sample's people, images and\n\
             \x20  accounts by your own, and leave none: they may be somebody's. Put the field names of\n\
             \x20  your tickets into `maps/`. In `policy/cases/` replace the sample's cases and events by\n\
             \x20  yours, with the expected decisions: the sample's are denied now.{settings} Then run\n\
             \x20  `sharehook check` and `sharehook test` again. Step 2 wrote only to `sandbox/`, which\n\
             \x20  you can remove.\n\n\
             The source `operators` is for you; no trigger can send for it. If `policy/entities.json` has you as\n\
             `operators/NAME`, `sharehook revoke --image ID --as operators/NAME --reason TEXT` takes an image\n\
             back at once. Try it before you need it: `docs/operations.md` in the repository.\n"
        )
    }

    /// What else the configuration needs, as sentences of step 3.
    fn settings(&self) -> String {
        let any = |has: fn(&Source) -> bool| self.sources.iter().any(has);
        let mut settings = String::new();
        if any(|source| !source.secrets.is_empty()) {
            settings += " Give each sender its secret from `.env`, or\n\
                         \x20  replace it there by the secret that the sender shows.";
        }
        if any(|source| !source.from.is_empty() && source.name != OPERATORS) {
            settings += " Replace each `from` in\n\
                         \x20  `sharehook.toml`, or its variable in `.env`, by the origin of your trigger\n\
                         \x20  (`docs/hosts.md`).";
        }
        if any(|source| source.fetch.is_some()) {
            settings += " Replace the address, app and\n\
                         \x20  definitions of each `fetch` in `sharehook.toml`, and its login in `.env`.";
        }
        settings
    }

    /// The step that processes an event of the first source as its host does.
    fn invoke(&self) -> String {
        let invoked = |source: &&Source| source.from.iter().any(|from| from == "invoke");
        let source = self.sources.iter().find(invoked);
        let Some(source) = source.or(self.sources.first()) else {
            return String::new();
        };
        let queue_event = self.queue_event();
        let only_azure =
            queue_event.is_none() && source.from.iter().any(|from| from.starts_with("azure:"));
        let event = match queue_event {
            Some(_) if source.name == "queue" => super::QUEUE_EVENT.to_owned(),
            _ => self.allowed_event(&source.name).0,
        };
        if only_azure {
            return "   Azure's host hands its queue's messages over; there is no event to try here.\n".to_owned();
        }
        format!(
            "   Process an event from a second terminal, as its host would:\n\n\
             \x20  ```sh\n\
             \x20  set -a; . ./.env; set +a\n\
             \x20  sharehook invoke {event} --sandbox\n\
             \x20  sharehook grants --sandbox\n\
             \x20  ```\n"
        )
    }

    /// The step that sends an event of `source` to the server.
    fn send(&self, source: &Source) -> String {
        let name = &source.name;
        let (event, _) = self.allowed_event(name);
        if let Some(Fetch { preset, .. }) = &source.fetch {
            return format!(
                "   It also has stand-ins of the APIs that `fetch` reads. In a second terminal, give it the\n\
                 \x20  approved instance, then send its event, signed:\n\n\
                 \x20  ```sh\n\
                 \x20  set -a; . ./.env; set +a\n\
                 \x20  curl -s http://127.0.0.1:18300/sandbox/approvals/{preset} \\\n\
                 \x20    -H 'content-type: application/json' --data-binary @{event}\n\
                 \x20  eval curl -s http://127.0.0.1:8080/hooks/{name} \\\n\
                 \x20    \"$(sharehook sign --source {name} --body {event})\"\n\
                 \x20  ```\n\n\
                 \x20  It answers at once, and reads the instance. A moment later:\n\n\
                 \x20  ```sh\n\
                 \x20  sharehook grants --sandbox\n\
                 \x20  ```\n"
            );
        }
        // The sample event is too old to be accepted.
        let (renewed, sent) = match source.time_field() {
            Some(field) => (
                format!(
                    "\x20  sed \"s/\\\"{field}\\\": *[0-9]*/\\\"{field}\\\": $(date +%s)000/\" \\\n\
                     \x20    {event} > now.json\n"
                ),
                "now.json".to_owned(),
            ),
            None => (String::new(), event),
        };
        format!(
            "   Send a signed delivery from a second terminal:\n\n\
             \x20  ```sh\n\
             \x20  set -a; . ./.env; set +a\n\
             {renewed}\
             \x20  eval curl -s http://127.0.0.1:8080/hooks/{name} --data-binary @{sent} \\\n\
             \x20    \"$(sharehook sign --source {name} --body {sent})\"\n\
             \x20  sharehook grants --sandbox\n\
             \x20  ```\n"
        )
    }

    /// The event of the source's first case whose request is allowed, and when the event arrives.
    pub(super) fn allowed_event(&self, source: &str) -> (String, String) {
        let of_source = format!("source = \"{source}\"");
        let cases = self.cases();
        let case = cases
            .split("[[case]]")
            .find(|case| case.contains(&of_source) && case.contains("decision = \"allow\""))
            .unwrap_or_default();
        let field = |name: &str| {
            let line = case.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim_matches('"')
        };
        let event = format!("policy/cases/{}", field("event  = "));
        (event, field("now    = ").to_owned())
    }
}

impl Source {
    /// The field of the body that contains the signed time, in Unix milliseconds. `None` if the
    /// body contains no such field.
    fn time_field(&self) -> Option<String> {
        let spec = SchemeSpec::preset(self.scheme.parse().ok()?);
        let SchemeKind::Hmac(scheme) = spec.kind() else {
            return None;
        };
        match &scheme.time {
            Some(TimeSource::MillisPointer(pointer)) => Some(pointer.replace('/', "")),
            _ => None,
        }
    }
}
