# Linear: an issue that moves to the state "Approved" becomes a share request; every other event is ignored.
#
# The description holds one `key: value` per line, with the keys of the GitHub map: action, image, region, accounts,
# lighthouse, expires. The map ignores all other lines, and refuses those that name a key and cannot be read.
# `updatedFrom.stateId` must be present: without it, the event is a later edit of an approved issue. The map names
# people by user id. A text that changes together with the state is refused: the approver did not read it.
select(.type == "Issue" and .action == "update" and .updatedFrom.stateId != null and .data.state.name == "Approved")
| select(.updatedFrom.stateId != .data.state.id)
| if .updatedFrom | has("description") or has("title") then error("the text was edited together with the state: move the issue to Approved again") else . end
| (.data.description | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\(.data.identifier | required("data.identifier"))/\(.data.updatedAt // .createdAt | required("data.updatedAt"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: ($ask.accounts | ticket_words),
    lighthouse: ($ask.lighthouse | ticket_flag),
    requester: .data.creatorId,
    approvers: [.actor | select(.type == "user") | .id],
    ticket: .data.identifier,
    reason: .data.title
  }
  + ($ask.expires | ticket_expiry)
