//! Lists the approval systems and their names.

use serde_json::Value;

/// The approval systems that the sandbox imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalSystem {
    /// Feishu, and Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom's approval app.
    Wecom,
    /// Any other ticket system, which answers GET requests that carry a login.
    Http,
}

impl ApprovalSystem {
    /// Every system.
    pub const ALL: [Self; 4] = [Self::Feishu, Self::Dingtalk, Self::Wecom, Self::Http];

    /// Returns the system's name in paths. Lark is `feishu` too, because it has the same API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feishu => "feishu",
            Self::Dingtalk => "dingtalk",
            Self::Wecom => "wecom",
            Self::Http => "http",
        }
    }

    pub(in super::super) fn find(name: &str) -> Option<Self> {
        let name = if name == "lark" { "feishu" } else { name };
        Self::ALL.into_iter().find(|system| system.as_str() == name)
    }

    /// Returns the JSON pointers at which an instance can have its id. DingTalk's API does not
    /// return the id, but instances in the sandbox must contain it.
    fn id_places(self) -> &'static [&'static str] {
        match self {
            Self::Feishu => &["/instance_code"],
            Self::Dingtalk => &["/processInstanceId"],
            Self::Wecom => &["/sp_no"],
            Self::Http => &["/ticket/id", "/id", "/key", "/number"],
        }
    }

    pub(super) fn id_of(self, instance: &Value) -> Option<String> {
        let mut places = self.id_places().iter();
        match places.find_map(|place| instance.pointer(place))? {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }
}
