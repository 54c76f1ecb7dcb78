# Freshservice: a workflow that says `approved` becomes a share request; every other body is ignored.
#
# The simple content form wraps the fields in `freshdesk_webhook`, a body of one's own does not: both are read. The
# custom fields' names begin with `ticket_cf_`. Besides the fields that Freshservice offers, the workflow sends
# `approval_status`, `approver_email` and `approved_at` as custom content (docs/senders.md). Every value is a text.
def text:
  if . == null then null
  else tostring | trim | if . == "" or . == "--" then null elif test("\\{\\{") then error("a placeholder was not filled in: \(.)") else . end end;

def flag:
  text
  | if . == null then null
    elif ascii_downcase | . == "true" or . == "yes" or . == "1" then true
    elif ascii_downcase | . == "false" or . == "no" or . == "0" then false
    else . end;

def expiry:
  text
  | if . == null then {}
    elif test("^[0-9]+[smhdw]$") then {expires_in: .}
    elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then {expires_at: "\(.)T00:00:00Z"}
    else {expires_at: .} end;

def person: text | if . == null then null else ascii_downcase end;

(if (.freshdesk_webhook | type) == "object" then .freshdesk_webhook else . end)
| select(.approval_status | text // "" | ascii_downcase == "approved")
# Without its own instant, an approval could not be told from the ticket's next one.
| {
    id: "\(.ticket_id | text | required("ticket_id"))/\(.approved_at | text | required("approved_at"))",
    action: (.ticket_cf_action | text // "share" | ascii_downcase),
    image: (.ticket_cf_image | text),
    region: (.ticket_cf_region | text),
    accounts: [.ticket_cf_accounts | text // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: (.ticket_cf_lighthouse | flag),
    requester: (.requester_email | person),
    approvers: [.approver_email | person | select(. != null)],
    ticket: (.ticket_id | text),
    reason: (.ticket_subject | text)
  }
  + (.ticket_cf_expires | expiry)
