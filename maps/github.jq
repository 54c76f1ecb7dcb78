# GitHub: an issue that is labeled "approved" becomes a share request; every other event is ignored.
#
# The issue's body holds one `key: value` per line, with these keys:
#   action: share            (or cancel; left out means share)
#   image: lhbp-6jc6l8yb
#   region: ap-singapore
#   accounts: 700000164995, 909619400
#   lighthouse: no           (only for img-…)
#   expires: 30d             (or a date, or an RFC 3339 instant)
# Other lines are for people. Who may set a label is not who may approve: name the approvers in the policy.
# The author can edit the body until the label is set, so the approver reads what is shared; each labelling is
# a request of its own.
def approves: .action == "labeled" and .label.name == "approved" and .issue.pull_request == null;

# The last line of a key counts only if it is the only one: two lines that differ are nobody's clear wish.
def lines:
  reduce (. // "" | splits("\r?\n") | capture("^\\s*(?<key>[A-Za-z]+)\\s*:\\s*(?<value>.*?)\\s*$")) as $line
    ({}; ($line.key | ascii_downcase) as $key
      | if has($key) and .[$key] != $line.value then error("the issue says \($key) twice")
        else . + {($key): $line.value} end);

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
| (.issue.body | lines) as $ask
| {
    id: "\(.repository.full_name)#\(.issue.number)/\(.issue.updated_at)",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: [$ask.accounts // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: .issue.user.login,
    approvers: [.sender.login | select(. != null)],
    ticket: "\(.repository.full_name)#\(.issue.number)",
    reason: .issue.title
  }
  + ($ask.expires | expiry)
