//! The codes that sharehook itself puts into results. Other results have the cloud's codes, most of
//! which contain a dot; sharehook's codes never do. `docs/cloud-calls.md` explains them.

use super::fault::Fault;
use super::spelled::spelled;

spelled! {
    /// A code that sharehook itself puts into a result.
    ResultCode {
        /// The instance of the approval cannot be read again, or is not approved any more. The
        /// share was not carried out.
        ApprovalUnread = "ApprovalUnread",
        /// The cloud's answer is not in the format of the API, or it is too large.
        BadAnswer = "BadAnswer",
        /// The blueprint that a chain shares is not known.
        ChainBroken = "ChainBroken",
        /// The cloud refused to share the blueprint that a chain published.
        ChainRefused = "ChainRefused",
        /// There was no connection. The call was not sent.
        ConnectFailed = "ConnectFailed",
        /// The connection closed before a complete answer arrived, or the answer is not HTTP.
        ConnectionLost = "ConnectionLost",
        /// A source of temporary credentials, such as the token service, failed to return any, and
        /// the cause may be temporary. The call was not sent, or the cloud refused its credentials.
        CredentialsUnreachable = "CredentialsUnreachable",
        /// The deadline had passed. The call was not sent.
        DeadlinePassed = "DeadlinePassed",
        /// The policy refused the request or the item.
        Denied = "PolicyDenied",
        /// The share expired before the call.
        Expired = "Expired",
        /// A gateway answered with an HTTP status other than 200.
        HttpStatus = "HttpStatus",
        /// The cancel left the share in place, because the share was approved later than the
        /// cancel.
        LaterShare = "LaterShare",
        /// No credentials were found, so the call was not sent; or the cloud refused the credentials
        /// that the call was signed with.
        NoCredentials = "NoCredentials",
        /// The site cannot list the accounts that have a blueprint.
        NoReadApi = "NoReadApi",
        /// The share was not adopted, because it has ended or because another request concerns it.
        NotAdopted = "NotAdopted",
        /// The image is in a temporary state, such as `CREATING` or `SYNCING`.
        NotReady = "NotReady",
        /// The image cannot be shared because of its kind or its state.
        NotShareable = "NotShareable",
        /// The receiving account owns the image.
        OwnAccount = "OwnAccount",
        /// The cloud does not show the image or the share, but this proves nothing: the key in use
        /// may belong to a different account than the image.
        OwnerUnproven = "OwnerUnproven",
        /// A paged list has too many pages, repeats its entries or ends early.
        Paging = "Paging",
        /// The request exceeds a published limit. The call was not sent.
        PublishedLimit = "PublishedLimit",
        /// Sharing with this account would exceed the maximum number of shares of the image. The
        /// call was not sent.
        QuotaPrecheck = "QuotaPrecheck",
        /// The rate limit allows no call before the deadline. The call was not sent.
        Throttled = "Throttled",
        /// No answer came within the time limit, or the result of a coalesced call is not known.
        Timeout = "Timeout",
    }
}

impl ResultCode {
    /// Returns who must act on a failure with this code.
    pub fn fault(self) -> Fault {
        match self {
            Self::ApprovalUnread
            | Self::ConnectFailed
            | Self::NoCredentials
            | Self::OwnerUnproven => Fault::Operator,
            Self::BadAnswer
            | Self::ChainBroken
            | Self::ConnectionLost
            | Self::CredentialsUnreachable
            | Self::DeadlinePassed
            | Self::HttpStatus
            | Self::NotReady
            | Self::Paging
            | Self::Throttled
            | Self::Timeout => Fault::Cloud,
            Self::ChainRefused
            | Self::Denied
            | Self::Expired
            | Self::LaterShare
            | Self::NoReadApi
            | Self::NotAdopted
            | Self::NotShareable
            | Self::OwnAccount
            | Self::PublishedLimit
            | Self::QuotaPrecheck => Fault::Request,
        }
    }

    /// Whether this code means that the call was not sent. If the failed call has a `RequestId`, it
    /// was sent nevertheless.
    pub fn is_unsent(self) -> bool {
        matches!(
            self,
            Self::ConnectFailed
                | Self::CredentialsUnreachable
                | Self::DeadlinePassed
                | Self::NoCredentials
                | Self::PublishedLimit
                | Self::Throttled
        )
    }

    /// Reads the code of a result or an error. Returns `None` for a code of the cloud.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
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
        let mut names = ResultCode::ALL
            .iter()
            .map(|code| code.as_str())
            .collect::<Vec<_>>();
        for name in &names {
            assert!(docs.contains(&format!("`{name}`")), "{name}");
            assert!(!name.contains('.'), "{name}");
            assert_eq!(ResultCode::read(name).map(ResultCode::as_str), Some(*name));
        }
        names.dedup();
        assert_eq!(names.len(), ResultCode::ALL.len());
    }

    #[test]
    fn the_documentation_lists_the_codes_of_calls_that_were_not_sent() {
        let docs = include_str!("../../docs/cloud-calls.md");
        let unsent = |line: &&str| line.contains("| sharehook did not send the call");
        let rows: String = docs.lines().filter(unsent).collect();
        for code in ResultCode::ALL {
            let listed = rows.contains(&format!("`{}`", code.as_str()));
            assert_eq!(code.is_unsent(), listed, "{}", code.as_str());
        }
    }
}
