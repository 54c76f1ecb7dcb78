# PagerDuty V3: an incident whose custom field `share_approval` changes to "approved" becomes a share request.
#
# The subscription is to `incident.custom_field_values.updated`. The incident's custom fields image, region, accounts,
# lighthouse, expires, action and requester hold the request; `requester` is a PagerDuty user id, because the event
# names the approver in this way. `share_approval` must be among the *changed* fields: a later change of another field sends
# the old approval again. It must be the only one: the approver has not read what changes with it.
def fields: [.[]? | select(.name | type == "string") | {(.name): .value}] | add // {};

def text:
  if . == null then null
  elif type == "array" then map(tostring) | join(" ")
  else tostring | trim | if . == "" then null else . end end;

.event
| select(.event_type == "incident.custom_field_values.updated")
| (.data.changed_custom_fields | fields) as $changed
| select($changed.share_approval | text // "" | ascii_downcase == "approved")
| ($changed | keys - ["share_approval"]) as $others
| if $others == [] then . else error("\($others | join(", ")) changed together with share_approval: set share_approval again") end
| (.data.custom_fields | fields) as $ask
| (.data.incident.id // .data.id | required("event.data.id")) as $incident
| {
    id: "\($incident)/\(.id | required("event.id"))",
    action: ($ask.action | text // "share" | ascii_downcase),
    image: ($ask.image | text),
    region: ($ask.region | text),
    accounts: ($ask.accounts | text | ticket_words),
    lighthouse: ($ask.lighthouse | text | ticket_flag),
    requester: ($ask.requester | text | if . == null or test("^[A-Z0-9]+$") then . else error("field requester is no PagerDuty user id") end),
    # An integration or a workflow does not count as an approver.
    approvers: [.agent | select(.type == "user_reference") | .id],
    ticket: $incident,
    reason: ($ask.reason | text // .data.incident.summary)
  }
  + ($ask.expires | text | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
