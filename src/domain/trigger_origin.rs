//! The origins that hosts give to the messages of their triggers, and that `from` of a trusted
//! source lists. The hosts build them here, and the configuration is checked with the same forms.

use std::fmt;

/// The origin of a trigger's message. Its text is what `from` must list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TriggerOrigin<'a> {
    /// The ARN of an SQS queue or an SNS topic.
    Arn(&'a str),
    /// A direct invocation of a Lambda function.
    Invocation,
    /// An event bus of AWS.
    AwsBus {
        region: &'a str,
        account: &'a str,
        source: &'a str,
    },
    /// A function of Azure with a queue as its trigger.
    AzureFunction(&'a str),
    /// A topic of CKafka.
    Ckafka(&'a str),
    /// A topic of TDMQ.
    Cmq { owner: &'a str, topic: &'a str },
    /// An event bus of Tencent Cloud.
    TencentBus { region: &'a str, source: &'a str },
}

impl<'a> TriggerOrigin<'a> {
    /// The forms, as messages to users list them.
    pub(crate) const FORMS: &'static str = "the ARN of a queue or topic (arn:aws:sqs:REGION:ACCOUNT:NAME), \
         events:REGION:ACCOUNT:SOURCE, invoke, azure:FUNCTION, ckafka:TOPIC, cmq:OWNER:TOPIC or \
         eventbridge:REGION:SOURCE";

    /// Reads an origin. Returns `None` if no host sends this text.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.trim() != text {
            return None;
        }
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) if !rest.is_empty() => (kind, rest),
            None if text == "invoke" => return Some(Self::Invocation),
            _ => return None,
        };
        match kind {
            "arn" => is_queue_or_topic(rest).then_some(Self::Arn(text)),
            "events" => {
                let (region, rest) = pair(rest)?;
                let (account, source) = pair(rest)?;
                is_account(account).then_some(Self::AwsBus {
                    region,
                    account,
                    source,
                })
            }
            "azure" => Some(Self::AzureFunction(rest)),
            "ckafka" => Some(Self::Ckafka(rest)),
            "cmq" => pair(rest).map(|(owner, topic)| Self::Cmq { owner, topic }),
            "eventbridge" => pair(rest).map(|(region, source)| Self::TencentBus { region, source }),
            _ => None,
        }
    }
}

/// Splits a text at its first colon into two parts that are not empty.
fn pair(text: &str) -> Option<(&str, &str)> {
    let both = |(one, rest): &(&str, &str)| !one.is_empty() && !rest.is_empty();
    text.split_once(':').filter(both)
}

/// Whether an ARN without `arn:` names a queue or a topic. The ARN of a topic's subscription has a
/// colon in its last part; no message names it.
fn is_queue_or_topic(arn: &str) -> bool {
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        [partition, "sqs" | "sns", region, account, name] => {
            is_account(account)
                && [partition, region, name]
                    .iter()
                    .all(|part| !part.is_empty())
        }
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for TriggerOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => write!(f, "{arn}"),
            Self::Invocation => write!(f, "invoke"),
            Self::AwsBus {
                region,
                account,
                source,
            } => write!(f, "events:{region}:{account}:{source}"),
            Self::AzureFunction(function) => write!(f, "azure:{function}"),
            Self::Ckafka(topic) => write!(f, "ckafka:{topic}"),
            Self::Cmq { owner, topic } => write!(f, "cmq:{owner}:{topic}"),
            Self::TencentBus { region, source } => write!(f, "eventbridge:{region}:{source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_as_it_is_written() {
        for text in [
            "arn:aws:sqs:us-east-1:000000000000:share-requests.fifo",
            "arn:aws-cn:sns:cn-north-1:000000000000:t",
            "invoke",
            "events:us-east-1:000000000000:my:own.source",
            "azure:Requests",
            "ckafka:ckafka-1/topic",
            "cmq:1250000000:topic",
            "eventbridge:ap-guangzhou:source",
        ] {
            let origin = TriggerOrigin::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(origin.to_string(), text);
        }
        for text in [
            "https://sqs.us-east-1.amazonaws.com/000000000000/q",
            " arn:aws:sqs:us-east-1:000000000000:q",
            "arn:aws:sqs:us-east-1:0000:q",
            "arn:aws:sns:us-east-1:000000000000:topic:subscription",
            "arn:aws:s3:us-east-1:000000000000:q",
            "events:us-east-1:000000000000",
            "event:us-east-1:000000000000:source",
            "Invoke",
            "azure:",
            "kafka:topic",
            "cmq:topic",
            "nonsense",
            "",
        ] {
            assert_eq!(TriggerOrigin::parse(text), None, "{text}");
        }
    }
}
