//! Injected failures: parses text such as `ShareBlueprintAcrossAccounts:reset-after@2` into a
//! [`Fault`], and prints it. `state` decides which call fails, and `server` makes the connection
//! fail.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::actions::Action;
use super::error::clip;

/// Longest delay of an answer that a fault may request.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// How a call fails. Faults apply only to calls that pass authentication, rate limit and parameter
/// checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Answers with this code, without carrying the call out.
    ErrorBefore(String),
    /// Carries the call out, then answers with this code.
    ErrorAfter(String),
    /// Resets the connection without carrying the call out.
    ResetBefore,
    /// Carries the call out, then resets the connection without an answer.
    ResetAfter,
    /// Answers with a gateway's HTML page and this HTTP status, without carrying the call out.
    Status(u16),
    /// Answers with a gateway's HTML page and HTTP 200, without carrying the call out.
    HtmlOk,
    /// Carries the call out, then closes the connection in the middle of the answer's body.
    CutBody,
    /// Carries the call out at once and answers after this time.
    Slow(Duration),
}

impl FaultKind {
    /// Whether the sandbox carries the call out.
    pub(super) fn is_after(&self) -> bool {
        matches!(
            self,
            Self::ErrorAfter(_) | Self::ResetAfter | Self::CutBody | Self::Slow(_)
        )
    }
}

/// A kind of failure, and the calls that it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// An action (`ShareBlueprintAcrossAccounts`), an action of one service
    /// (`cvm.ModifyImageSharePermission`), or `*` for every action except `GetCallerIdentity`,
    /// which clients call in addition to the others.
    pub on: String,
    /// The kind of failure.
    pub kind: FaultKind,
    /// Number of calls that still fail; the sandbox removes the fault at 0.
    pub times: u32,
}

/// An error in the text of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault \"{text}\": {problem}; {remedy}")]
pub struct FaultError {
    /// The given text, shortened.
    pub text: String,
    /// The problem with the text.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl Fault {
    pub(super) fn meets(&self, action: Action) -> bool {
        self.times > 0 && names(&self.on, action)
    }
}

fn names(on: &str, action: Action) -> bool {
    match on.split_once('.') {
        Some((service, name)) => service == action.service().name() && name == action.name(),
        None if on == "*" => action != Action::CallerIdentity,
        None => on == action.name(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.on)?;
        match &self.kind {
            FaultKind::ErrorBefore(code) => write!(f, "error-before:{code}")?,
            FaultKind::ErrorAfter(code) => write!(f, "error-after:{code}")?,
            FaultKind::ResetBefore => f.write_str("reset-before")?,
            FaultKind::ResetAfter => f.write_str("reset-after")?,
            FaultKind::Status(status) => write!(f, "status:{status}")?,
            FaultKind::HtmlOk => f.write_str("html-ok")?,
            FaultKind::CutBody => f.write_str("cut-body")?,
            FaultKind::Slow(wait) => write!(f, "slow:{}ms", wait.as_millis())?,
        }
        if self.times == 1 {
            Ok(())
        } else {
            write!(f, "@{}", self.times)
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `action:kind[:arg][@times]`.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let refuse = |problem: String, remedy: &str| FaultError {
            text: clip(text),
            problem,
            remedy: remedy.to_owned(),
        };
        let (rest, times) = match text.rsplit_once('@') {
            None => (text, 1),
            Some((rest, count)) => match count.parse::<u32>() {
                Ok(times) if times > 0 => (rest, times),
                _ => {
                    return Err(refuse(
                        format!("\"{}\" is not a count", clip(count)),
                        "write @1 or a larger number, or omit @ for one call",
                    ));
                }
            },
        };
        let mut parts = rest.splitn(3, ':');
        let (on, kind, arg) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if !Action::ALL.iter().any(|action| names(on, *action)) {
            return Err(refuse(
                format!("there is no action \"{}\"", clip(on)),
                &known_actions(),
            ));
        }
        let Some(kind) = kind else {
            return Err(refuse("the kind of failure is missing".to_owned(), KINDS));
        };
        let kind = read_kind(kind, arg).map_err(|problem| refuse(problem, KINDS))?;
        Ok(Self {
            on: on.to_owned(),
            kind,
            times,
        })
    }
}

const KINDS: &str = "write action:kind[:arg][@times] with error-before:CODE, error-after:CODE, reset-before, \
                     reset-after, status:502, html-ok, cut-body or slow:2s";

fn known_actions() -> String {
    let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    format!(
        "write * or one of {}; both services have ModifyImageSharePermission: write lighthouse. or cvm. before it to choose one",
        names.join(", ")
    )
}

fn read_kind(kind: &str, arg: Option<&str>) -> Result<FaultKind, String> {
    let code = || match arg {
        Some(code) if is_code(code) => Ok(code.to_owned()),
        Some(other) => Err(format!("\"{}\" is not an error code", clip(other))),
        None => Err(format!("{kind} needs an error code")),
    };
    let bare = |found: FaultKind| match arg {
        None => Ok(found),
        Some(other) => Err(format!(
            "{kind} takes no argument, but \"{}\" follows",
            clip(other)
        )),
    };
    match kind {
        "error-before" => code().map(FaultKind::ErrorBefore),
        "error-after" => code().map(FaultKind::ErrorAfter),
        "reset-before" => bare(FaultKind::ResetBefore),
        "reset-after" => bare(FaultKind::ResetAfter),
        "html-ok" => bare(FaultKind::HtmlOk),
        "cut-body" => bare(FaultKind::CutBody),
        "status" => match arg.and_then(|arg| arg.parse::<u16>().ok()) {
            Some(status @ 300..=599) => Ok(FaultKind::Status(status)),
            _ => Err("status needs an HTTP status from 300 to 599".to_owned()),
        },
        "slow" => match arg.and_then(read_wait) {
            Some(wait) => Ok(FaultKind::Slow(wait)),
            None => Err(format!(
                "slow needs a time such as 250ms or 2s, at most {}s",
                MAX_WAIT.as_secs()
            )),
        },
        other => Err(format!("there is no kind \"{}\"", clip(other))),
    }
}

fn is_code(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .split('.')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn read_wait(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1_000),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let millis = digits
        .parse::<u64>()
        .ok()
        .filter(|_| plain)?
        .checked_mul(unit)?;
    Some(Duration::from_millis(millis)).filter(|wait| *wait <= MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_and_prints_the_same() {
        for text in [
            "*:reset-before",
            "ShareBlueprintAcrossAccounts:reset-after@2",
            "cvm.ModifyImageSharePermission:error-after:InternalError",
            "lighthouse.ModifyImageSharePermission:error-before:FailedOperation.RequestError@3",
            "DescribeImagesToShare:status:502",
            "DescribeBlueprints:html-ok",
            "*:cut-body@4294967295",
            "*:slow:250ms",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        let slow = "*:slow:2s@1".parse::<Fault>().unwrap();
        assert_eq!(
            slow,
            Fault {
                on: "*".into(),
                kind: FaultKind::Slow(Duration::from_secs(2)),
                times: 1
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        let long = "x".repeat(100_000);
        for (text, part) in [
            ("", "no action \"\""),
            ("Share:reset-before", "no action \"Share\""),
            ("cvm.ShareBlueprintAcrossAccounts:reset-before", "no action"),
            ("*", "the kind of failure is missing"),
            ("*:explode", "no kind \"explode\""),
            ("*:reset-before:now", "takes no argument"),
            ("*:error-before", "needs an error code"),
            ("*:error-before:", "not an error code"),
            ("*:error-after:a b", "not an error code"),
            ("*:error-after:A..B", "not an error code"),
            ("*:status", "300 to 599"),
            ("*:status:200", "300 to 599"),
            ("*:status:70000", "300 to 599"),
            ("*:slow", "250ms"),
            ("*:slow:2", "250ms"),
            ("*:slow:+2s", "250ms"),
            ("*:slow:99999999999999999999s", "250ms"),
            ("*:slow:3600s", "250ms"),
            ("*:reset-before@0", "not a count"),
            ("*:reset-before@-1", "not a count"),
            ("*:reset-before@many", "not a count"),
            (&long, "no action"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(error.len() < 1_000, "{}", error.len());
        }
    }

    #[test]
    fn a_service_tells_namesakes_apart() {
        let fault: Fault = "cvm.ModifyImageSharePermission:html-ok".parse().unwrap();
        assert!(fault.meets(Action::ShareImage) && !fault.meets(Action::PublishImage));
        let both: Fault = "ModifyImageSharePermission:html-ok".parse().unwrap();
        assert!(both.meets(Action::ShareImage) && both.meets(Action::PublishImage));
        assert!(!Fault { times: 0, ..both }.meets(Action::ShareImage));
    }
}
