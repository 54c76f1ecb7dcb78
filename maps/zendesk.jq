# Zendesk: a trigger that says `approved` becomes a share request; every other body is ignored.
#
# The administrator writes the trigger's body, and each placeholder becomes a text: an empty field "", a check box
# "true" or "false", a number its digits. Write this body (docs/senders/zendesk.md has it for copying):
#   {"approval": "approved",
#    "ticket": {"id": "{{ticket.id}}", "title": "{{ticket.title}}", "updated_at": "{{ticket.updated_at_with_timestamp}}",
#               "image": "{{ticket.ticket_field_1}}", "region": …, "accounts": …, "lighthouse": …, "expires": …, "action": …},
#    "requester": {"email": "{{ticket.requester.email}}"}, "current_user": {"email": "{{current_user.email}}"}}
# The trigger's condition must say that the status or a tag *changed*. A condition on what it *is* fires on each later edit,
# also on our own comments; sharehook ignores them if it writes them with a login (`basic`).
def plain:
  if . == null then null
  elif type == "string" then trim | if . == "" or . == "-" then null else . end
  elif type == "array" then map(tostring) | join(" ")
  else tostring end;
def text: plain | if . != null and test("\\{\\{") then error("a placeholder was not filled in: \(.)") else . end;

# A placeholder of an empty field is "". A body without `action` would be a share, one without `expires` endless.
def sent($names):
  ($names - keys) as $missing
  | if $missing == [] then . else error("ticket lacks \($missing | join(" and ")): write each of them into the " +
    "trigger's body, as \"\" if there is no such field") end;

# A drop-down field's placeholder is its tag; tags have no capitals.
select(.approval | text // "" | ascii_downcase == "approved")
| (.ticket | sent(["action", "expires"])) as $ticket
| {
    id: "\($ticket.id | text | required("ticket.id"))/\($ticket.updated_at | text | required("ticket.updated_at"))",
    action: ($ticket.action | text // "share" | ascii_downcase),
    image: ($ticket.image | text),
    region: ($ticket.region | text),
    accounts: ($ticket.accounts | text | ticket_words),
    lighthouse: ($ticket.lighthouse | text | ticket_flag),
    requester: (.requester.email | text | if . == null then . else ascii_downcase end),
    approvers: [.current_user.email | text | select(. != null) | ascii_downcase],
    ticket: ($ticket.id | text),
    # People write the title: it may contain what looks like a placeholder.
    reason: ($ticket.title | plain)
  }
  + ($ticket.expires | text | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
