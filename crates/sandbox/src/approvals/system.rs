//! The systems and their names.

/// The systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalSystem {
    /// Feishu, and Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom's approval app.
    Wecom,
}

impl ApprovalSystem {
    /// Every system.
    pub const ALL: [Self; 3] = [Self::Feishu, Self::Dingtalk, Self::Wecom];

    /// Its name in paths. Lark has Feishu's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feishu => "feishu",
            Self::Dingtalk => "dingtalk",
            Self::Wecom => "wecom",
        }
    }

    /// The system of this name.
    pub(in super::super) fn find(name: &str) -> Option<Self> {
        let name = if name == "lark" { "feishu" } else { name };
        Self::ALL.into_iter().find(|system| system.as_str() == name)
    }

    /// The field with an instance's own id. DingTalk's API does not show it; here it must be given.
    pub(super) fn id_field(self) -> &'static str {
        match self {
            Self::Feishu => "instance_code",
            Self::Dingtalk => "processInstanceId",
            Self::Wecom => "sp_no",
        }
    }
}
