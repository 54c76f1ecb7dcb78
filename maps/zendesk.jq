# Zendesk: a trigger that says `approved` becomes a share request; every other body is ignored.
#
# A trigger's body is the administrator's own JSON, and a placeholder is always a text: an empty field is "", a check
# box "true" or "false", a number digits. This is the body to write (docs/senders.md has it for copying):
#   {"approval": "approved",
#    "ticket": {"id": "{{ticket.id}}", "title": "{{ticket.title}}", "updated_at": "{{ticket.updated_at_with_timestamp}}",
#               "image": "{{ticket.ticket_field_1}}", "region": …, "accounts": …, "lighthouse": …, "expires": …, "action": …},
#    "requester": {"email": "{{ticket.requester.email}}"}, "current_user": {"email": "{{current_user.email}}"}}
# The trigger's condition says that the status or a tag *changed*: one that says what it *is* fires on every later edit.
def text:
  if . == null then null
  elif type == "string" then trim | if . == "" or . == "-" then null elif test("\\{\\{") then error("a placeholder was not filled in: \(.)") else . end
  elif type == "array" then map(tostring) | join(" ")
  else tostring end;

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

# A drop-down field's placeholder is its tag; tags have no capitals.
select(.approval | text // "" | ascii_downcase == "approved")
| .ticket as $ticket
| {
    id: "\($ticket.id | text | required("ticket.id"))/\($ticket.updated_at | text | required("ticket.updated_at"))",
    action: ($ticket.action | text // "share" | ascii_downcase),
    image: ($ticket.image | text),
    region: ($ticket.region | text),
    accounts: [$ticket.accounts | text // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ticket.lighthouse | flag),
    requester: (.requester.email | text | if . == null then . else ascii_downcase end),
    approvers: [.current_user.email | text | select(. != null) | ascii_downcase],
    ticket: ($ticket.id | text),
    reason: ($ticket.title | text)
  }
  + ($ticket.expires | expiry)
