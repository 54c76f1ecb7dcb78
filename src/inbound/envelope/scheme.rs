//! What differs between the senders of encrypted events.

/// Whose envelope it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeSystem {
    /// Feishu and Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom.
    Wecom,
}

/// A sender of encrypted events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeScheme {
    /// Whose envelope it is.
    pub system: EnvelopeSystem,
    /// How far the signed time, and the time inside the event, may be from now, in seconds, to either
    /// side.
    pub window: u32,
    /// False for a Feishu app without an Encrypt Key: its events are plain and unsigned, and hold a
    /// static token.
    pub encrypted: bool,
}

impl EnvelopeScheme {
    /// The scheme of a system. Feishu repeats a delivery until about 7.1 hours have passed, and does not
    /// say whether it signs a repetition anew.
    pub(in crate::inbound) fn of(system: EnvelopeSystem) -> Self {
        Self {
            system,
            window: 8 * 3_600,
            encrypted: true,
        }
    }

    /// Whether the plain text ends with the id of its receiver, which the source must therefore list.
    pub(in crate::inbound) fn is_addressed(&self) -> bool {
        match self.system {
            EnvelopeSystem::Feishu => false,
            EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => true,
        }
    }
}
