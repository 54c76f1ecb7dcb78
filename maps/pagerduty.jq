# PagerDuty V3: an incident whose custom field `share_approval` changes to "approved" becomes a share request.
#
# The subscription is to `incident.custom_field_values.updated`. The incident's custom fields image, region, accounts,
# lighthouse, expires, action and requester hold what is asked; `requester` is the asker's PagerDuty user id, because
# the one who changed the field is known by theirs. The field must be among the *changed* ones: the next change of
# any other field tells of an approval that is over.
def fields: [.[]? | select(.name | type == "string") | {(.name): .value}] | add // {};

def text:
  if . == null then null
  elif type == "array" then map(tostring) | join(" ")
  else tostring | trim | if . == "" then null else . end end;

def flag:
  text
  | if . == null then null
    elif ascii_downcase | . == "true" or . == "yes" then true
    elif ascii_downcase | . == "false" or . == "no" then false
    else . end;

def expiry:
  text
  | if . == null then {}
    elif test("^[0-9]+[smhdw]$") then {expires_in: .}
    elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then {expires_at: "\(.)T00:00:00Z"}
    else {expires_at: .} end;

.event
| select(.event_type == "incident.custom_field_values.updated")
| select(.data.changed_custom_fields | fields | .share_approval | text // "" | ascii_downcase == "approved")
| ((.data.custom_fields | fields) + (.data.changed_custom_fields | fields)) as $ask
| (.data.incident.id // .data.id | required("event.data.id")) as $incident
| {
    id: "\($incident)/\(.id | required("event.id"))",
    action: ($ask.action | text // "share" | ascii_downcase),
    image: ($ask.image | text),
    region: ($ask.region | text),
    accounts: [$ask.accounts | text // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: ($ask.requester | text | if . == null or test("^[A-Z0-9]+$") then . else error("field requester is no PagerDuty user id") end),
    # An integration or a workflow is nobody who approves.
    approvers: [.agent | select(.type == "user_reference") | .id],
    ticket: $incident,
    reason: ($ask.reason | text // .data.incident.summary)
  }
  + ($ask.expires | expiry)
