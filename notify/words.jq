# The text of every message, in three lines. For the requester: the image and the outcome, until when or why
# not, and what to do. No line names other people, images or accounts of the allow-list. The templates put the lines into their
# system's markup and escape them there.
def list: unique | if length > 5 then "\(.[:5] | join(", ")) and \(length - 5) more" else join(", ") end;
def item: .account // "Lighthouse";
def day: if . == null then null else sub("T"; " ") | sub(":[0-9]{2}(\\.[0-9]+)?Z$"; " UTC") end;
# Text from a ticket, without invisible characters: they could reverse a line. An invisible space keeps an address from
# being a link, in every system.
def unlinked: gsub("\\p{Cf}"; "") | gsub("(?<c>://|(?i:www\\.|mailto:))"; "\(.c)\u200b");
def refusal: {no_permit: "No rule allows it.", approval: "It lacks an approver who may approve it.",
  expired: "Its end has already passed.", error: "The policy could not decide it."}[.] // empty;

# For the operator: these belong to no ticket.
def of_rejected: [
  "A delivery from \(.source) was authenticated, but is not a valid request. Nothing was done.",
  (.problems[:3] | join("; ") | unlinked),
  "Delivery \(.delivery_id // .body_digest[:16] | unlinked). `sharehook requests --rejected` lists it."
];
def of_drifted: [
  "Differences between the cloud's shares and the journal: \(.count).",
  ([.differences[:5][] | "\(.difference): \(.image) (\(.region)), \(.to)"]
    + (if .count > 5 then ["and \(.count - 5) more"] else [] end) | join("; ")),
  "`sharehook drift` lists them, and what to do about each."
];

def of_request: (.request | .accounts + if .lighthouse then ["Lighthouse"] else [] end | list) as $all
| "\(.request.image) (\(.request.region))" as $image
| (if .contact == null then "Ask the people who maintain the share policy." else "Ask \(.contact)." end) as $ask
| ([.kept[] | item]) as $kept
| ([.results[] | select(.renewed and .called_off_by == null) | item]) as $renewed
| [.results[] | select(.result != "failed" and .called_off_by == null) | item] as $good
| [.results[] | select(.result == "failed" or .called_off_by != null) | item] as $bad
| ([.results[] | select(.called_off_by == null and (.result != "failed" or .maybe_done)) | item] - $kept) as $given
| ([.results[] | if .called_off_by != null then "it was called off by \(.called_off_by | unlinked)" elif .result == "failed" then .code + (if .maybe_done then " (the call may have taken effect)" else "" end) else empty end] | list) as $codes
| (if .results != [] and all(.results[]; .called_off_by != null) then "" else "\($ask) " end) as $ask
| (.request.action == "cancel" and all(.results[]; .result == "not_shared")) as $idle
| (if .expires_at == null then "It has no end: it stays until it is cancelled."
   else ([if $given - $renewed != [] then "It ends at \(.expires_at | day) by itself." else empty end,
          if $renewed != [] then "Another request shared it with \($renewed | list), too: it stays until the last of these shares ends. This one ends at \(.expires_at | day)." else empty end,
          if $kept != [] then "It was shared with \($kept | list) before: this request does not end that." else empty end]
         | join(" ")) end) as $end
| (if .request.ticket == null then "Request \(.request.id)." else "Ticket \(.request.ticket), request \(.request.id)." end | unlinked) as $which
| if .request.action == "share" then {did: "Shared \($image) with", not: "\($image) was not shared", failed: "\($image) was not shared with", end: $end, ends: " \($end)"}
  else {did: "Stopped sharing \($image) with", not: "The share of \($image) was not cancelled", failed: "Could not stop sharing \($image) with",
        end: "To share it again, request a new share.", ends: ""} end as $words
| if .type == "completed" and $idle then ["\($image) was not shared with \($all): nothing had to be stopped.", $words.end, $which]
    elif .type == "completed" then ["\($words.did) \($all).", $words.end, $which]
    elif .type == "partial" then
      ["\($words.did) \($good | list), but not with \($bad | list).",
       "The reason: \($codes).\($words.ends)", "\($ask)\($which)"]
    elif .type == "failed" then
      ["\($words.failed) \($all).", "The reason: \($codes).", "\($ask)\($which)"]
    elif .type == "denied" then
      ["\($words.not): the policy refused it for \($all).",
       ([if .policy != [] then "The rule: \(.policy | list)." else empty end, ((.refusals // [])[] | refusal)]
        | if . == [] then "No rule allows it, or approvers are missing." else join(" ") end), "\($ask)\($which)"]
    elif .type == "expiring" then
      ["The share of \($image) with \($given | list) ends at \(.expires_at | day).",
       "If you still need it, request a new share before then.", $which]
    elif .type == "revoked" then
      [([if $good == [] then "The share of \($image) has ended: nothing of it was left to revoke."
         elif $good - $renewed != [] then "The share of \($image) with \($good - $renewed | list) has ended and was revoked."
         else "The share of \($image) has ended." end,
         if $renewed != [] then "Another request shared it with \($renewed | list), too: that share ends by itself or stays until it is cancelled." else empty end]
        | join(" ")),
       "If you still need it, request a new share.", $which]
    else
      ["The share of \($image) should have ended at \(.expires_at | day), but is still in effect.",
       "The reason: \(.why // "not known yet" | unlinked). The service keeps trying.", $which]
    end;

.lines =
  if .rejected then .rejected | of_rejected
  elif .drifted then .drifted | of_drifted
  else of_request end
| .lines |= map(gsub("[[:space:][:cntrl:]]+"; " ") | .[:500])
