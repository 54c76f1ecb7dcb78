# GitLab: an issue that gets the label "approved" becomes a share request; every other event is ignored.
#
# The description holds one `key: value` per line, with the keys of the GitHub map: action, image, region, accounts,
# lighthouse, expires. All other lines are for people, and so is what the rendered page does not show.
# The label must be among the current ones and not among the previous ones: a later edit of an approved issue is
# another event about an issue that still has the label.
# The approver is the user who set the label. People are their user numbers: the event names the author by nothing
# else, and who sets the label must not pass for another person than the author. Who may set a label is not who may
# approve: the policy names the approvers. A text that was edited with the label or after it is not what the approver
# read, so it is refused.
# The work item of a group has no project and cannot be told from another group's: it is refused.
def approved: map(.title) | any(.[]; . == "approved");
def approves:
  (.object_kind == "issue" or .object_kind == "work_item")
  and .object_attributes.action == "update"
  and (.changes.labels.current // [] | approved)
  and (.changes.labels.previous // [] | approved | not);

# Both instants as GitLab writes them, `2026-11-02 06:53:58 UTC` or RFC 3339, compare as texts once written alike. In two
# zones they cannot be compared, and the text counts as edited.
def instant: if . == null then "" else sub(" "; "T") | sub(" ?UTC$"; "Z") | sub("\\.[0-9]+"; "") end;
def zone: sub("^.{19}"; "");
def edited_since_label:
  (.last_edited_at | instant) as $edit | (.updated_at | instant) as $update
  | $edit != "" and (($edit | zone) != ($update | zone) or $edit > $update);
def edited:
  .changes.description != null or .changes.title != null or (.object_attributes | edited_since_label);

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
| if edited then error("the text was edited with the label or after it: set the label again") else . end
| (.project.path_with_namespace | required("project.path_with_namespace")) as $project
| "\($project)#\(.object_attributes.iid | required("object_attributes.iid"))" as $issue
| (.object_attributes.description | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\($issue)/\(.object_attributes.updated_at | required("object_attributes.updated_at"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: [$ask.accounts // "" | splits("[,;\\s]+") | select(. != "")],
    lighthouse: ($ask.lighthouse | flag),
    requester: (.object_attributes.author_id | required("object_attributes.author_id") | tostring),
    approvers: [.user.id | select(. != null) | tostring],
    ticket: $issue,
    reason: .object_attributes.title
  }
  + ($ask.expires | expiry)
