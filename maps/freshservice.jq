# Freshservice: a workflow that says `approved` becomes a share request; every other body is ignored.
#
# Freshservice's simple content wraps the fields in `freshdesk_webhook`; a custom body does not. The map reads both. The
# names of custom fields begin with `ticket_cf_`. Besides the fields that Freshservice offers, the workflow sends
# `approval_status`, `approver_email` and `approved_at` as custom content (docs/senders/freshservice.md). Every value is a text.
#
# A body without `ticket_cf_action` would be a share, one without `ticket_cf_expires` endless. Both must be there, also empty.
def plain: if . == null then null else tostring | trim | if . == "" or . == "--" then null else . end end;
def text: plain | if . != null and test("\\{\\{") then error("a placeholder was not filled in: \(.)") else . end;

def sent($names):
  ($names - keys) as $missing
  | if $missing == [] then . else error("the event lacks \($missing | join(" and ")): add each of them to the webhook's " +
    "content, as \"\" if there is no such field") end;

def person: text | if . == null then null else ascii_downcase end;

(if (.freshdesk_webhook | type) == "object" then .freshdesk_webhook else . end)
| select(.approval_status | text // "" | ascii_downcase == "approved")
| sent(["ticket_cf_action", "ticket_cf_expires"])
# The instant is part of the id: it distinguishes this approval from a later one of the same ticket.
| {
    id: "\(.ticket_id | text | required("ticket_id"))/\(.approved_at | text | required("approved_at"))",
    action: (.ticket_cf_action | text // "share" | ascii_downcase),
    image: (.ticket_cf_image | text),
    region: (.ticket_cf_region | text),
    accounts: (.ticket_cf_accounts | text | ticket_words),
    lighthouse: (.ticket_cf_lighthouse | text | ticket_flag),
    requester: (.requester_email | person),
    approvers: [.approver_email | person | select(. != null)],
    ticket: (.ticket_id | text),
    # People write the subject: it may contain what looks like a placeholder.
    reason: (.ticket_subject | plain)
  }
  + (.ticket_cf_expires | text | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
