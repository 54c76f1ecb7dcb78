//! Describes how the senders of encrypted events differ.

/// The approval system that sends the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeSystem {
    /// Feishu and Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom.
    Wecom,
}

/// Describes a sender of encrypted events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeScheme {
    /// The approval system that sends the events.
    pub system: EnvelopeSystem,
    /// How many seconds the signed time, and the time inside the event, may lie before or after
    /// now.
    pub window: u32,
    /// False for a Feishu app without an Encrypt Key. Its events are plain and unsigned, and
    /// contain a static token.
    pub encrypted: bool,
}

impl EnvelopeScheme {
    /// Returns the default scheme of a system. The window is longer than the 7.1 hours for which
    /// Feishu repeats a delivery, because Feishu does not document whether a repetition gets a new
    /// signature.
    pub(in crate::inbound) fn of(system: EnvelopeSystem) -> Self {
        Self {
            system,
            window: 8 * 3_600,
            encrypted: true,
        }
    }

    /// Whether the plain text ends with the id of its receiver. If so, the source must list
    /// receivers in `from`.
    pub(in crate::inbound) fn is_addressed(&self) -> bool {
        match self.system {
            EnvelopeSystem::Feishu => false,
            EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => true,
        }
    }
}
