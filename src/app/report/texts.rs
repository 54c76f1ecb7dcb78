//! The texts of the page, in English and Chinese side by side. In the texts, code is between
//! backticks. Texts from the journal are not here: the page shows them as they were recorded.

use std::fmt::Display;

use crate::domain::Language;

#[derive(Debug, Clone, Copy)]
pub(super) struct Texts(pub(super) Language);

/// Defines texts without values. For the tests, the constant `$all` lists the texts.
macro_rules! labels {
    ($all:ident: $($name:ident: $english:literal | $chinese:literal;)+) => {
        #[cfg(test)]
        const $all: &[(&str, &str)] = &[$(($english, $chinese)),+];

        impl Texts {
            $(pub(super) const fn $name(self) -> &'static str {
                match self.0 {
                    Language::En => $english,
                    Language::Zh => $chinese,
                }
            })+
        }
    };
}

/// Defines texts with values. For the tests, the constant `$all` lists the texts.
macro_rules! sentences {
    ($all:ident: $($name:ident($($value:ident),+): $english:literal | $chinese:literal;)+) => {
        #[cfg(test)]
        const $all: &[(&str, &str)] = &[$(($english, $chinese)),+];

        impl Texts {
            $(pub(super) fn $name(self, $($value: impl Display),+) -> String {
                match self.0 {
                    Language::En => format!($english),
                    Language::Zh => format!($chinese),
                }
            })+
        }
    };
}

// The frame of the page. The page's script replaces {shown} and {all}.
labels! {
    FRAME:
    page: "Image shares" | "镜像共享";
    contents: "Contents" | "目录";
    attention: "What needs attention" | "需要处理的事项";
    nothing: "Nothing." | "没有。";
    evidence: "Evidence" | "证据";
    all_lists: "All lists" | "所有列表";
    search: "Search" | "搜索";
    search_for: "account, image, ticket, person, policy" | "账号、镜像、工单、人员、策略";
    all: "all" | "全部";
    clear: "Clear" | "清除";
    rows_match: "{shown} of {all} rows match." | "共 {all} 行，符合条件的有 {shown} 行。";
    rows_shown: "{shown} of {all} shown" | "显示 {shown} / {all}";
    rows_left_out: "Some lists have more rows than this page shows, which are not searched: `requests`, `grants` and `audit export` have all."
        | "有些列表的行多于本页所列，未列出的搜不到；`requests`、`grants` 和 `audit export` 包含全部。";
    none: "none" | "无";
    to_look_at: "to look at" | "项待处理";
    active_grants: "active grants" | "个生效中的共享";
    overdue_grants: "overdue" | "个逾期";
    unfinished_requests: "unfinished requests" | "个未完成的请求";
    denied_requests: "denied requests" | "个被拒绝的请求";
    footer: "Times are in UTC. `sharehook explain ID` shows everything about one request. This page loads nothing from elsewhere."
        | "时间均为 UTC，加 8 小时即北京时间。`sharehook explain ID` 显示一个请求的完整经过。本页不加载任何外部内容。";
}
sentences! {
    FRAME_SENTENCES:
    journal_as_of(journal, at): "Journal {journal}, as of {at} UTC" | "台账 {journal}，截至 {at} UTC";
    first_of(shown, all): "the first {shown} of {all}" | "共 {all} 条，这里是前 {shown} 条";
}

labels! {
    TITLES:
    grants: "Active grants" | "生效中的共享";
    decisions: "Decisions" | "策略的决定";
    refusals: "Refusals" | "拒绝";
    drift: "Drift" | "偏差";
    notifications: "Notifications" | "通知";
    requests: "Requests" | "请求";
}

labels! {
    COLUMNS:
    about: "About" | "事由";
    accounts: "Accounts" | "账号";
    action: "Action" | "操作";
    allowed: "Allowed" | "允许";
    approved: "Approved" | "批准时间";
    attempts: "Attempts" | "尝试次数";
    denied: "Denied" | "拒绝";
    difference: "Difference" | "差异";
    ends: "Ends" | "到期";
    image: "Image" | "镜像";
    meaning: "Meaning" | "含义";
    people: "People" | "人员";
    policy: "Policy" | "策略";
    region: "Region" | "地域";
    request: "Request" | "请求";
    requester: "Requester" | "申请人";
    share: "Share" | "比例";
    shared_with: "Shared with" | "共享给";
    since: "Since" | "开始";
    source: "Source" | "来源";
    state: "State" | "状态";
    target: "Target" | "通知对象";
    ticket: "Ticket" | "工单";
    timeline: "Timeline" | "时间轴";
    week_of: "Week of" | "周（起始日）";
    when: "When" | "时间";
    why: "Why" | "原因";
}

// Texts in cells, and sentences above tables.
labels! {
    CELLS:
    no_end: "no end" | "无到期时间";
    no_policy: "no policy allows it" | "没有策略允许";
    not_understood: "not understood" | "无法理解";
    used_id: "id used before" | "编号已用过";
    about_decisions: "Requests by the week of their approval, by source, and by each policy that determined the latest decision. \
        A request that several policies determined counts for each of them."
        | "按批准的周、来源以及最近一次决定所依据的策略统计请求。一个请求由多条策略决定时，在每条策略下各计一次。";
    about_refusals: "Requests that the policy denied, and authenticated deliveries that were not understood or whose id was used before, \
        the newest first."
        | "被策略拒绝的请求，以及通过身份验证但无法理解或编号已用过的投递，最新的在前。";
    no_drift: "No scheduled comparison of cloud and journal has found a difference." | "定期比对云端与台账，没有发现过差异。";
}
sentences! {
    TABLE_SENTENCES:
    about_grants(from, to, now): "Sorted by expiry, the earliest first. The timeline runs from {from} to {to}; its mark shows {now}."
        | "最先到期的在前。时间轴从 {from} 到 {to}，竖线为 {now}。";
    about_drift(at, count): "The latest scheduled comparison that found differences ran at {at} and found {count}. \
        A comparison without differences is not recorded."
        | "最近一次发现差异的定期比对在 {at}，发现 {count} 处差异。没有发现差异的比对不留记录。";
    as_blueprint(blueprint, region): "as {blueprint}, {region}" | "在 Lighthouse 中为 {blueprint}，{region}";
    approved_by(people): "approved by {people}" | "审批人：{people}";
    and_more(some, more): "{some} and {more} more" | "{some} 等，另有 {more} 个";
}

// What needs attention. If a remedy begins with a verb, the page shows a command before it.
labels! {
    REMEDIES:
    sweep_says_why: "`sharehook sweep` revokes it, or says why it cannot; correct that, and sweep again." | "`sharehook sweep` 会收回这次共享，或说明无法收回的原因；排除原因后再运行一次。";
    findings_remedy: "See Evidence; restore the changed files from a backup." | "详见“证据”；请用备份恢复被改动的内容。";
    seals_unverified: "The journal's seals were not verified." | "台账的封签没有校验。";
    seals_remedy: "See Evidence for how to verify them." | "“证据”说明如何校验。";
    drifted_remedy: "See Drift for the remedy of each; `sharehook drift` compares again."
        | "详见“偏差”，每处都有处理办法；`sharehook drift` 可重新比对。";
    blocked_remedy: "Only an operator can correct this; afterwards `sharehook sweep` tries again at once."
        | "只有运维人员能够解决；解决后运行 `sharehook sweep` 会立即重试。";
    next_sweep: "The next sweep continues it." | "下一次巡检（sweep）会继续处理。";
    retry_remedy: "decides it again." | "可让策略重新决定。";
    no_retry_remedy: "It cannot be decided again now; `sharehook explain` says why."
        | "现在不能重新决定；`sharehook explain` 会说明原因。";
    not_all_done: "not all of it is done" | "尚未全部完成";
    target_refused: "the target did not accept it" | "对方没有接收";
    notify_remedy: "delivers it again." | "可重新发送。";
    ending_remedy: "A new ticket shares for longer." | "如需延长，请提交新的工单。";
}
sentences! {
    NOTES:
    more_notes(more): "and {more} more, in the tables below" | "另有 {more} 项，见下面的列表";
    still_shared(image, to, end): "{image} is still shared with {to}, although the share ended at {end}."
        | "{image} 仍然共享给 {to}，而这次共享已于 {end} 到期。";
    findings(count): "Findings of the journal's verification: {count}." | "校验台账发现的问题：{count} 处。";
    not_on_page(flaw): "Not on this page: {flaw}" | "本页没有包含：{flaw}";
    drifted(count, at): "Differences between cloud and journal: {count}, found at {at}." | "云端与台账的差异：{count} 处，发现于 {at}。";
    request_is(request, state, reason): "{request} is {state}: {reason}" | "{request} {state}：{reason}";
    failure(item, message): "{item}: {message}" | "{item}：{message}";
    not_notified(notify, on, request, why): "{notify} was not notified about {request} ({on}): {why}" | "未能通知 {notify}（{request}，{on}）：{why}";
    one_ends(at): "One share ends within seven days, at {at}." | "七天内有 1 个共享到期，时间 {at}。";
    some_end(count, first): "{count} shares end within seven days, the first at {first}." | "七天内有 {count} 个共享到期，最早的在 {first}。";
    in_account(id): "account {id}" | "账号 {id}";
    in_lighthouse(id): "{id} in Lighthouse" | "Lighthouse 中的 {id}";
}

labels! {
    EVIDENCE:
    seals_command: "This page did not compare the request files with the sealed records; `sharehook audit verify` does."
        | "本页没有把请求的文件与已封签的记录比对，`sharehook audit verify` 会比对。";
    records_unverified: "The records were not verified for this page." | "本页没有校验记录。";
    records_command: "`sharehook audit verify` verifies them." | "`sharehook audit verify` 校验它们。";
    no_key: "The journal is sealed, but no public key was given, so its seals were not verified." | "台账有封签，但没有给出公钥，因此没有校验封签。";
    other_key: "The journal is sealed, but not with the given key, so its seals were not verified." | "台账有封签，但不是用给出的密钥封签的，因此没有校验封签。";
    how_to_verify: "Run `sharehook audit key` where the journal is sealed: it prints the public key. \
        `sharehook report --key KEY` and `sharehook audit verify --key KEY` check the seals with it."
        | "在封签台账的地方，`sharehook audit key` 打印公钥；`sharehook report --key KEY` 和 `sharehook audit verify --key KEY` 用它校验封签。";
    not_sealed: "Not sealed: the removal of a request's newest records cannot be detected." | "没有封签：一个请求最新的记录如果被删除，将无法发现。";
    how_to_seal: "docs/evidence.md says how to seal it." | "如何封签见 docs/evidence.md。";
}
sentences! {
    EVIDENCE_SENTENCES:
    records_whole(records, streams): "Records: {records}, requests: {streams}. Every record is whole and in its place."
        | "{streams} 个请求的 {records} 条记录：每条都完整，位置正确。";
    records_linked(records, streams): "Records: {records}, requests: {streams}. Each follows the one before it; the seals were not verified."
        | "{streams} 个请求的 {records} 条记录：每条都与前一条相连；封签尚未校验。";
    records_signed(records, streams): "Sealed records: {records}, requests: {streams}. Each record is as it was sealed."
        | "{streams} 个请求的 {records} 条已封签记录：每条都与封签时一致。";
    found(count, records): "Findings: {count}; intact records: {records}." | "{count} 处问题；{records} 条记录完好。";
    seals_cover(seals, covered, newer): "Seals: {seals}. Records that they cover: {covered}; newer records: {newer}."
        | "{seals} 次封签覆盖了其中 {covered} 条；有 {newer} 条晚于最后一次封签。";
    seals_intact(seals): "Intact seals: {seals}." | "{seals} 次封签完好。";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Names that the Chinese texts keep in Latin letters.
    const NAMES: [&str; 4] = ["UTC", "Lighthouse", "sweep", "docs/evidence.md"];

    /// Splits a text at `marks`. Returns the pieces between pairs of marks, and the rest of the
    /// text joined together.
    fn pieces<'a>(text: &'a str, marks: &[char]) -> (BTreeSet<&'a str>, String) {
        let all: Vec<&str> = text.split(marks).collect();
        let inside = all.iter().copied().skip(1).step_by(2).collect();
        (inside, all.into_iter().step_by(2).collect())
    }

    #[test]
    fn every_chinese_text_is_chinese_and_has_the_values_and_the_code_of_the_english_one() {
        let all = [
            FRAME,
            FRAME_SENTENCES,
            TITLES,
            COLUMNS,
            CELLS,
            TABLE_SENTENCES,
            REMEDIES,
            NOTES,
            EVIDENCE,
            EVIDENCE_SENTENCES,
        ];
        for (english, chinese) in all.concat() {
            let (code, prose) = pieces(chinese, &['`']);
            assert_eq!(code, pieces(english, &['`']).0, "{chinese}");
            let (values, prose) = pieces(&prose, &['{', '}']);
            assert_eq!(
                values,
                pieces(&pieces(english, &['`']).1, &['{', '}']).0,
                "{chinese}"
            );
            let prose = NAMES
                .iter()
                .fold(prose, |prose, name| prose.replace(name, ""));
            assert!(
                !prose.contains(|c: char| c.is_ascii_alphabetic()),
                "{chinese}"
            );
        }
    }
}
