//! The codes that sharehook itself puts into a result, beside the cloud's own. They hold no dot, so
//! they differ from the cloud's `InvalidParameterValue.…`; `docs/cloud-calls.md` explains them.

/// A code of sharehook's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultCode {
    /// The answer does not have the API's format.
    BadAnswer,
    /// The blueprint that a chain shares is not known.
    ChainBroken,
    /// The cloud refused to share the blueprint that a chain published.
    ChainRefused,
    /// No connection. The call was not sent.
    ConnectFailed,
    /// The connection closed before the answer was complete.
    ConnectionLost,
    /// The deadline had passed. The call was not sent.
    DeadlinePassed,
    /// The policy refused it.
    Denied,
    /// The share expired before the call.
    Expired,
    /// A gateway answered with an HTTP status other than 200.
    HttpStatus,
    /// The cancel kept a share that was approved later.
    LaterShare,
    /// No source has credentials. The call was not sent.
    NoCredentials,
    /// The site cannot list who has a blueprint.
    NoReadApi,
    /// The image is still being made.
    NotReady,
    /// The image is of a kind or in a state that cannot be shared.
    NotShareable,
    /// The receiving account owns the image.
    OwnAccount,
    /// A paged list has too many pages or repeats its entries.
    Paging,
    /// The request exceeds a published limit. The call was not sent.
    PublishedLimit,
    /// The image has its maximum number of shares. The call was not sent.
    QuotaPrecheck,
    /// The rate limit allows no call before the deadline. The call was not sent.
    Throttled,
    /// No answer within the time limit.
    Timeout,
}

impl ResultCode {
    /// Every code, by name.
    pub const ALL: [Self; 20] = [
        Self::BadAnswer,
        Self::ChainBroken,
        Self::ChainRefused,
        Self::ConnectFailed,
        Self::ConnectionLost,
        Self::DeadlinePassed,
        Self::Denied,
        Self::Expired,
        Self::HttpStatus,
        Self::LaterShare,
        Self::NoCredentials,
        Self::NoReadApi,
        Self::NotReady,
        Self::NotShareable,
        Self::OwnAccount,
        Self::Paging,
        Self::PublishedLimit,
        Self::QuotaPrecheck,
        Self::Throttled,
        Self::Timeout,
    ];

    /// The code that a result or error spells so; `None` for one of the cloud's.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// As results and records spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadAnswer => "BadAnswer",
            Self::ChainBroken => "ChainBroken",
            Self::ChainRefused => "ChainRefused",
            Self::ConnectFailed => "ConnectFailed",
            Self::ConnectionLost => "ConnectionLost",
            Self::DeadlinePassed => "DeadlinePassed",
            Self::Denied => "PolicyDenied",
            Self::Expired => "Expired",
            Self::HttpStatus => "HttpStatus",
            Self::LaterShare => "LaterShare",
            Self::NoCredentials => "NoCredentials",
            Self::NoReadApi => "NoReadApi",
            Self::NotReady => "NotReady",
            Self::NotShareable => "NotShareable",
            Self::OwnAccount => "OwnAccount",
            Self::Paging => "Paging",
            Self::PublishedLimit => "PublishedLimit",
            Self::QuotaPrecheck => "QuotaPrecheck",
            Self::Throttled => "Throttled",
            Self::Timeout => "Timeout",
        }
    }
}

impl From<ResultCode> for String {
    fn from(code: ResultCode) -> Self {
        code.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_documentation_and_none_twice() {
        let docs = include_str!("../../docs/cloud-calls.md");
        let mut names = ResultCode::ALL.map(ResultCode::as_str).to_vec();
        for name in &names {
            assert!(docs.contains(&format!("`{name}`")), "{name}");
            assert!(!name.contains('.'), "{name}");
            assert_eq!(ResultCode::read(name).map(ResultCode::as_str), Some(*name));
        }
        names.dedup();
        assert_eq!(names.len(), ResultCode::ALL.len());
    }
}
