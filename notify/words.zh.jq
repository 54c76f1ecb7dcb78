# The lines of words.jq for readers of Chinese. Recorded texts, such as the reasons of the cloud and of a map, keep their
# language.
def list: unique | if length > 5 then "\(.[:5] | join("、")) 等，共 \(length) 个" else join("、") end;
def item: .account // "Lighthouse";
def day: if . == null then null else sub("T"; " ") | sub(":[0-9]{2}(\\.[0-9]+)?Z$"; " UTC") end;
# Text from a ticket, without invisible characters: they could reverse a line. An invisible space keeps an address from
# being a link, in every system.
def unlinked: gsub("\\p{Cf}"; "") | gsub("(?<c>://|(?i:www\\.|mailto:))"; "\(.c)\u200b");
def refusal: {no_permit: "没有规则允许这一请求。", approval: "缺少有权批准这一请求的审批人。",
  expired: "到期时间已经过去。", error: "策略无法对这一请求作出决定。"}[.] // empty;

# For the operator: these belong to no ticket.
def of_rejected: [
  "来源 \(.source) 的一次投递通过了身份验证，但内容不是有效的请求，因此什么也没有做。",
  (.problems[:3] | join("；") | unlinked),
  "投递编号：\(.delivery_id // .body_digest[:16] | unlinked)。用 `sharehook requests --rejected` 查看。"
];
def difference: {unknown: "来历不明", missing: "缺失", extra: "多余", overdue: "逾期"}[.] // .;
def of_drifted: [
  "云端与台账有 \(.count) 处共享不一致。",
  ([.differences[:5][] | "\(.difference | difference)：\(.image)（\(.region)），\(.to)"]
   + (if .count > 5 then ["等，另有 \(.count - 5) 处"] else [] end) | join("；")),
  "用 `sharehook drift` 查看全部差异以及各自的处理办法。"
];

def of_request: (.request | .accounts + if .lighthouse then ["Lighthouse"] else [] end | list) as $all
| "\(.request.image)（\(.request.region)）" as $image
| (if .contact == null then "请联系共享策略的维护人员。" else "请联系 \(.contact)。" end) as $ask
| ([.kept[] | item]) as $kept
| ([.results[] | select(.renewed and .called_off_by == null) | item]) as $renewed
| [.results[] | select(.result != "failed" and .called_off_by == null) | item] as $good
| [.results[] | select(.result == "failed" or .called_off_by != null) | item] as $bad
| ([.results[] | select(.called_off_by == null and (.result != "failed" or .maybe_done)) | item] - $kept) as $given
| ([.results[] | if .called_off_by != null then "请求已被 \(.called_off_by | unlinked) 取消" elif .result == "failed" then .code + (if .maybe_done then "（调用可能已生效）" else "" end) else empty end] | list) as $codes
| (if .results != [] and all(.results[]; .called_off_by != null) then "" else $ask end) as $ask
| (.request.action == "cancel" and all(.results[]; .result == "not_shared")) as $idle
| (if .expires_at == null then "该共享没有到期时间，取消之前一直有效。"
   else ([if $given - $renewed != [] then "该共享将于 \(.expires_at | day) 自动到期。" else empty end,
          if $renewed != [] then "另有请求也将其共享给 \($renewed | list)：最后一个共享到期时才会收回。本共享将于 \(.expires_at | day) 到期。" else empty end,
          if $kept != [] then "此前已共享给 \($kept | list)，本请求到期不会收回。" else empty end]
         | join("")) end) as $end
| (if .request.ticket == null then "请求：\(.request.id)。" else "工单：\(.request.ticket)，请求：\(.request.id)。" end | unlinked) as $which
| if .request.action == "share" then {did: "已将 \($image)共享给", not: "未能共享给", do: "共享给", end: $end, ends: $end}
  else {did: "已停止将 \($image)共享给", not: "未能停止共享给", do: "停止共享给", end: "如需再次共享，请提交新的共享申请。", ends: ""} end as $words
| if .type == "completed" and $idle then ["\($image)没有共享给 \($all)，无需停止。", $words.end, $which]
    elif .type == "completed" then ["\($words.did) \($all)。", $words.end, $which]
    elif .type == "partial" then
      ["\($words.did) \($good | list)，但\($words.not) \($bad | list)。",
       "原因：\($codes)。\($words.ends)", "\($ask)\($which)"]
    elif .type == "failed" then
      ["镜像 \($image)\($words.not) \($all)。", "原因：\($codes)。", "\($ask)\($which)"]
    elif .type == "denied" then
      ["策略拒绝了请求：镜像 \($image)不能\($words.do) \($all)。",
       ([if .policy != [] then "依据的规则：\(.policy | list)。" else empty end, ((.refusals // [])[] | refusal)]
        | if . == [] then "没有规则允许这一请求，或者缺少审批人。" else join("") end), "\($ask)\($which)"]
    elif .type == "expiring" then
      ["\($image)对 \($given | list) 的共享将于 \(.expires_at | day) 到期。",
       "如果仍然需要，请在到期之前提交新的共享申请。", $which]
    elif .type == "revoked" then
      [([if $good == [] then "\($image)的共享已经结束，没有需要收回的内容。"
         elif $good - $renewed != [] then "\($image)对 \($good - $renewed | list) 的共享已经结束并收回。"
         else "\($image)的共享已经结束。" end,
         if $renewed != [] then "另有请求也将其共享给 \($renewed | list)：那个共享自行到期，或者在被取消之前一直有效。" else empty end]
        | join("")),
       "如果仍然需要，请提交新的共享申请。", $which]
    else
      ["\($image)的共享应于 \(.expires_at | day) 结束，但现在仍然有效。",
       "原因：\(.why // "尚不清楚" | unlinked)。服务会继续尝试收回。", $which]
    end;

.lines =
  if .rejected then .rejected | of_rejected
  elif .drifted then .drifted | of_drifted
  else of_request end
| .lines |= map(gsub("[[:space:][:cntrl:]]+"; " ") | .[:500])
