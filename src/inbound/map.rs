//! Turns a verified delivery into share requests with a jq program. The program either ships with
//! sharehook or is written by the operator. Returns any number of valid requests, or every problem
//! with the invalid ones. Does not decide whether a request is allowed.

use std::fmt;
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use super::verify::VerifiedDelivery;
use crate::domain::{Problem, Problems, ServedRegions, ShareRequest, Timestamp};
use crate::mapping::Program;

/// Pairs the name of each shipped map with its text.
macro_rules! shipped {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("../../maps/", $name, ".jq")))),+]
    };
}

const BUILTIN: [(&str, &str); 17] = shipped! {
    "native" "jira" "github" "servicenow" "zendesk" "zendesk-ticket" "freshservice" "gitlab" "slack" "pagerduty" "linear" "opsgenie" "stepfunctions" "feishu" "dingtalk" "wecom" "eventbridge"
};

/// A map. Cloning it is cheap, because the clones share the compiled program.
#[derive(Clone)]
pub struct Map {
    name: Arc<str>,
    digest: Arc<str>,
    program: Arc<Compiled>,
}

type Compiled =
    LazyLock<Result<Program, Problems>, Box<dyn FnOnce() -> Result<Program, Problems> + Send>>;

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why an authentic delivery yields no valid request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapRefusal {
    /// The body does not match its media type, names a field twice, or is nested too deeply (HTTP
    /// 400).
    #[error("{0}")]
    Unreadable(Problem),
    /// The map failed, or its output is not a valid request (HTTP 422).
    #[error("{0}")]
    Invalid(Problems),
}

impl Map {
    /// Compiles a map. Problems refer to the map as `name`, for example its path.
    ///
    /// # Errors
    /// Returns the problems that [`Program::compile`] finds, with their lines where known.
    pub fn load(text: &str, name: &str) -> Result<Self, Problems> {
        let program = Program::compile(text, name)?;
        Ok(Self::new(text, name, move || Ok(program)))
    }

    /// Returns the shipped map with this name, if there is one. The map is compiled when it is
    /// first used, so that the number of maps does not slow down startup. A test compiles all
    /// shipped maps.
    pub fn builtin(name: &str) -> Option<Self> {
        let (name, text) = BUILTIN.into_iter().find(|(known, _)| *known == name)?;
        Some(Self::new(text, name, move || Program::compile(text, name)))
    }

    fn new(
        text: &str,
        name: &str,
        compile: impl FnOnce() -> Result<Program, Problems> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            digest: hex::encode(Sha256::digest(text)).into(),
            program: Arc::new(LazyLock::new(Box::new(compile))),
        }
    }

    /// Returns the text of a shipped map. Operators can start from it when they write their own
    /// map.
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        BUILTIN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
    }

    /// The names of the maps that ship.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The SHA-256 of the map's text, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Runs the map on a delivery and returns the share requests. The list is empty if the event
    /// requests nothing.
    ///
    /// # Errors
    /// Returns [`MapRefusal::Unreadable`] if the event cannot be read, and [`MapRefusal::Invalid`]
    /// if the map fails or its output is invalid. If the map has several outputs, each problem
    /// names its output, as in `[1].accounts`.
    pub fn apply(
        &self,
        delivery: &VerifiedDelivery,
        now: Timestamp,
        rules: &ServedRegions,
    ) -> Result<Vec<ShareRequest>, MapRefusal> {
        let event = delivery.event().map_err(MapRefusal::Unreadable)?;
        let program = LazyLock::force(&self.program).as_ref();
        let program = program.map_err(|problems| MapRefusal::Invalid(problems.clone()))?;
        let outputs = program.run(&event, now.as_second()).map_err(|error| {
            let problem = format!("failed on this event: {}", one_line(&error));
            let remedy = "correct the map, or the event at its sender";
            MapRefusal::Invalid(Problem::new(format!("map {}", self.name), problem, remedy).into())
        })?;
        let several = outputs.len() > 1;
        let mut requests = Vec::with_capacity(outputs.len());
        let mut problems = Vec::new();
        for (index, output) in outputs.iter().enumerate() {
            match ShareRequest::from_json(output, rules) {
                Ok(request) => requests.push(request),
                Err(found) => problems.extend(found.0.into_iter().map(|problem| match several {
                    true => Problem {
                        field: format!("[{index}].{}", problem.field),
                        ..problem
                    },
                    false => problem,
                })),
            }
        }
        Problems::refuse_any(problems).map_err(MapRefusal::Invalid)?;
        Ok(requests)
    }
}

/// Puts the error of the map engine on one line. This is needed because the error quotes the event,
/// which may contain control characters.
fn one_line(error: &str) -> String {
    error
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
