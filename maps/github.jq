# GitHub: an issue that is labeled "approved" becomes a share request; every other event is ignored.
#
# The issue's body holds one `key: value` per line, with these keys:
#   action: share            (or cancel; left out means share)
#   image: lhbp-6jc6l8yb
#   region: ap-singapore
#   accounts: 700000164995, 909619400
#   lighthouse: no           (only for img-…)
#   expires: 30d             (or a date, or an RFC 3339 instant)
# All other lines are for people, and so is what the rendered page does not show, such as HTML comments.
# The approver is the user who set the label; a bot approves nothing. Who may set a label is not who may approve: the
# policy names the approvers. The author can edit the body until the label is set. The event holds the body of that
# moment, so a later edit changes nothing; each labelling is a request of its own.
def approves: .action == "labeled" and .label.name == "approved" and .issue.pull_request == null;

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

select(approves)
# An event that edits the text and sets the label at once shows nobody the text before it is approved.
| if .changes.body != null or .changes.title != null then error("the text was edited together with the label: set the label again") else . end
| (.repository.full_name | required("repository.full_name")) as $repository
| "\($repository)#\(.issue.number | required("issue.number"))" as $issue
| (.issue.body | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\($issue)/\(.issue.updated_at | required("issue.updated_at"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: [$ask.accounts // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: .issue.user.login,
    approvers: [.sender | select(.type == "User") | .login | select(. != null)],
    ticket: $issue,
    reason: .issue.title
  }
  + ($ask.expires | expiry)
