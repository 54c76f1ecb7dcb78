# GitHub: an issue that is labeled "approved" becomes a share request; every other event is ignored.
#
# The issue's body holds one `key: value` per line, with these keys:
#   action: share            (or cancel; left out means share)
#   image: lhbp-6jc6l8yb
#   region: ap-singapore
#   accounts: 700000164995, 909619400
#   lighthouse: no           (only for img-…)
#   expires: 30d             (or a date, or an RFC 3339 instant)
# The map ignores all other lines and HTML comments. It refuses a line that names one of these keys and cannot be read,
# such as a struck-out line (docs/maps.md).
# The approver is the user who set the label; a bot does not count as one. Many users may set a label: the policy says
# who may approve. The author can edit the body until the label is set. The event holds the body as it was then, so a
# later edit changes nothing. Each time the label is set is a new request.
def approves: .action == "labeled" and .label.name == "approved" and .issue.pull_request == null and .pull_request == null;

select(approves)
# The approver has not read a text that changes in the same event as the label.
| if .changes.body != null or .changes.title != null then error("the text was edited together with the label: set the label again") else . end
| (.repository.full_name | required("repository.full_name")) as $repository
| "\($repository)#\(.issue.number | required("issue.number"))" as $issue
| (.issue.body | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\($issue)/\(.issue.updated_at | required("issue.updated_at"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: ($ask.accounts | ticket_words),
    lighthouse: ($ask.lighthouse | ticket_flag),
    requester: .issue.user.login,
    approvers: [.sender | select(.type == "User") | .login | select(. != null)],
    ticket: $issue,
    reason: .issue.title
  }
  + ($ask.expires | ticket_expiry)
