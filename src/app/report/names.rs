//! The names of states, actions, outcomes and differences on the page. The English page uses the
//! names that commands print, and the Chinese page uses their translations.

use crate::domain::{Action, Difference, Item, Language, NoticeKind};
use crate::journal::Standing;

use super::super::reader::{NotificationStatus, RequestState};
use super::texts::Texts;

/// Defines a method that returns the name of each variant. The English name comes from the type's
/// own method, and the Chinese name is given here.
macro_rules! names {
    ($($name:ident($type:ident, $english:ident): $($variant:ident = $chinese:literal),+;)+) => {
        impl Texts {
            $(pub(super) fn $name(self, value: $type) -> &'static str {
                match (self.0, value) {
                    (Language::En, _) => value.$english(),
                    $((Language::Zh, $type::$variant) => $chinese),+
                }
            })+
        }
    };
}

names! {
    request_state(RequestState, as_str):
        Waiting = "等待开始",
        Working = "处理中",
        Unfinished = "未完成",
        Blocked = "受阻",
        Completed = "已完成",
        Partial = "部分完成",
        Failed = "失败",
        Denied = "已拒绝",
        Revoking = "收回中",
        Revoked = "已收回";
    standing(Standing, as_str):
        Active = "生效",
        Covered = "由其他共享延续",
        Overdue = "逾期";
    notification(NotificationStatus, in_words):
        Owed = "待发送",
        Sent = "已发送",
        GivenUp = "已放弃",
        TargetRemoved = "目标已删除";
    notice(NoticeKind, as_str):
        Completed = "完成",
        Partial = "部分完成",
        Failed = "失败",
        Denied = "被策略拒绝",
        Expiring = "即将到期",
        Revoked = "已收回",
        Overdue = "逾期",
        Rejected = "投递无效",
        Drifted = "发现偏差";
    action_name(Action, as_str):
        Share = "共享",
        Cancel = "取消共享";
    difference_name(Difference, as_str):
        Unknown = "来历不明",
        Missing = "缺失",
        Extra = "多余",
        Overdue = "逾期";
    difference_meaning(Difference, meaning):
        Unknown = "云端有此共享，但没有任何请求提到它",
        Missing = "曾经共享，但云端已没有",
        Extra = "云端有此共享，但没有请求给出，或者给出它的请求已结束",
        Overdue = "已到期，但云端仍然共享";
    difference_remedy(Difference, remedy):
        Unknown = "`drift --adopt` 将它归入一张工单并保留，`--revoke-unknown` 将它结束",
        Missing = "`revoke` 结束这次共享，新的工单可重新共享",
        Extra = "`drift --adopt` 将它归入一张工单并保留，取消请求将它结束",
        Overdue = "`sweep` 会收回这次共享，或说明无法收回的原因；排除原因后再运行一次";
}

impl Texts {
    pub(super) fn item(self, item: &Item) -> String {
        match item {
            Item::Account(id) => self.in_account(id),
            Item::Lighthouse(id) => self.in_lighthouse(id),
        }
    }
}
