# Linear: an issue that moves to the state "Approved" becomes a share request; every other event is ignored.
#
# The description holds one `key: value` per line, with the keys of the GitHub map: action, image, region, accounts,
# lighthouse, expires. All other lines are for people, and so is what the rendered page does not show.
# `updatedFrom.stateId` must be there: without it the state is an old one, and the event is a later edit of an approved
# issue. People are their user ids.
def expiry:
  if . == null or . == "" then {}
  elif test("^[0-9]+[smhdw]$") then {expires_in: .}
  elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then {expires_at: "\(.)T00:00:00Z"}
  else {expires_at: .} end;

def flag:
  if . == null or . == "" then null
  elif ascii_downcase | . == "yes" or . == "true" then true
  elif ascii_downcase | . == "no" or . == "false" then false
  else . end;

select(.type == "Issue" and .action == "update" and .updatedFrom.stateId != null and .data.state.name == "Approved")
| select(.updatedFrom.stateId != .data.state.id)
| (.data.description | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\(.data.identifier | required("data.identifier"))/\(.data.updatedAt // .createdAt | required("data.updatedAt"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: [$ask.accounts // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: .data.creatorId,
    approvers: [.actor | select(.type == "user") | .id],
    ticket: .data.identifier,
    reason: .data.title
  }
  + ($ask.expires | expiry)
