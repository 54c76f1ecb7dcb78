# GitLab: an issue that gets the label "approved" becomes a share request; every other event is ignored.
#
# The description holds one `key: value` per line, with the keys of the GitHub map: action, image, region, accounts,
# lighthouse, expires. The label must be among the current ones and not among the previous ones: a later edit of an
# approved issue is another event about an issue that still has the label.
# People are their user numbers: the event names the author by nothing else, and the label's setter must not pass
# for another person than the author. Who may set a label is not who may approve: name the approvers in the policy.
def approved: map(.title) | any(.[]; . == "approved");
def approves:
  (.object_kind == "issue" or .object_kind == "work_item")
  and .object_attributes.action == "update"
  and (.changes.labels.current // [] | approved)
  and (.changes.labels.previous // [] | approved | not);

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
| "\(.project.path_with_namespace)#\(.object_attributes.iid)" as $issue
| (.object_attributes.description | lines) as $ask
| {
    id: "\($issue)/\(.object_attributes.updated_at)",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: [$ask.accounts // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: (.object_attributes.author_id | tostring),
    approvers: [.user.id | select(. != null) | tostring],
    ticket: $issue,
    reason: .object_attributes.title
  }
  + ($ask.expires | expiry)
