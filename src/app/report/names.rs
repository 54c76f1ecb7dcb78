//! The names of states, actions, outcomes and differences on the page: in English those that commands
//! print, in Chinese their translations.

use crate::domain::{Action, Difference, Item, Language, NoticeKind};
use crate::journal::Standing;

use super::super::reader::{NotificationStatus, RequestState};
use super::texts::Texts;

impl Texts {
    pub(super) const fn request_state(self, state: RequestState) -> &'static str {
        match (self.0, state) {
            (Language::En, _) => state.as_str(),
            (Language::Zh, RequestState::Waiting) => "等待开始",
            (Language::Zh, RequestState::Working) => "处理中",
            (Language::Zh, RequestState::Unfinished) => "未完成",
            (Language::Zh, RequestState::Blocked) => "受阻",
            (Language::Zh, RequestState::Completed) => "已完成",
            (Language::Zh, RequestState::Partial) => "部分完成",
            (Language::Zh, RequestState::Failed) => "失败",
            (Language::Zh, RequestState::Denied) => "已拒绝",
            (Language::Zh, RequestState::Revoking) => "收回中",
            (Language::Zh, RequestState::Revoked) => "已收回",
        }
    }

    pub(super) fn standing(self, standing: Standing) -> &'static str {
        match (self.0, standing) {
            (Language::En, _) => standing.as_str(),
            (Language::Zh, Standing::Active) => "生效",
            (Language::Zh, Standing::Covered) => "由其他共享延续",
            (Language::Zh, Standing::Overdue) => "逾期",
        }
    }

    pub(super) fn notification(self, status: NotificationStatus) -> &'static str {
        match (self.0, status) {
            (Language::En, _) => status.in_words(),
            (Language::Zh, NotificationStatus::Owed) => "待发送",
            (Language::Zh, NotificationStatus::Sent) => "已发送",
            (Language::Zh, NotificationStatus::GivenUp) => "已放弃",
        }
    }

    pub(super) const fn notice(self, on: NoticeKind) -> &'static str {
        match (self.0, on) {
            (Language::En, _) => on.as_str(),
            (Language::Zh, NoticeKind::Completed) => "完成",
            (Language::Zh, NoticeKind::Partial) => "部分完成",
            (Language::Zh, NoticeKind::Failed) => "失败",
            (Language::Zh, NoticeKind::Denied) => "被策略拒绝",
            (Language::Zh, NoticeKind::Expiring) => "即将到期",
            (Language::Zh, NoticeKind::Revoked) => "已收回",
            (Language::Zh, NoticeKind::Overdue) => "逾期",
            (Language::Zh, NoticeKind::Rejected) => "投递无效",
            (Language::Zh, NoticeKind::Drifted) => "发现偏差",
        }
    }

    pub(super) const fn action_name(self, action: Action) -> &'static str {
        match (self.0, action) {
            (Language::En, _) => action.as_str(),
            (Language::Zh, Action::Share) => "共享",
            (Language::Zh, Action::Cancel) => "取消共享",
        }
    }

    pub(super) const fn difference_name(self, difference: Difference) -> &'static str {
        match (self.0, difference) {
            (Language::En, _) => difference.as_str(),
            (Language::Zh, Difference::Unknown) => "来历不明",
            (Language::Zh, Difference::Missing) => "缺失",
            (Language::Zh, Difference::Extra) => "多余",
            (Language::Zh, Difference::Overdue) => "逾期",
        }
    }

    pub(super) const fn difference_meaning(self, difference: Difference) -> &'static str {
        match (self.0, difference) {
            (Language::En, _) => difference.meaning(),
            (Language::Zh, Difference::Unknown) => "云端有此共享，但没有任何请求提到它",
            (Language::Zh, Difference::Missing) => "曾经共享，但云端已没有",
            (Language::Zh, Difference::Extra) => {
                "云端有此共享，但没有请求给出，或者给出它的请求已结束"
            }
            (Language::Zh, Difference::Overdue) => "已到期，但云端仍然共享",
        }
    }

    pub(super) const fn difference_remedy(self, difference: Difference) -> &'static str {
        match (self.0, difference) {
            (Language::En, _) => difference.remedy(),
            (Language::Zh, Difference::Unknown) => {
                "`drift --adopt` 将它归入一张工单并保留，`--revoke-unknown` 将它结束"
            }
            (Language::Zh, Difference::Missing) => "`revoke` 结束这次共享，新的工单可重新共享",
            (Language::Zh, Difference::Extra) => {
                "`drift --adopt` 将它归入一张工单并保留，取消请求将它结束"
            }
            (Language::Zh, Difference::Overdue) => "`sweep` 会说明原因；排除原因后再运行一次",
        }
    }

    pub(super) fn item(self, item: &Item) -> String {
        match item {
            Item::Account(id) => self.in_account(id),
            Item::Lighthouse(id) => self.in_lighthouse(id),
        }
    }
}
