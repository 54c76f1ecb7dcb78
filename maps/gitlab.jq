# GitLab: an issue that gets the label "approved" becomes a share request; every other event is ignored.
#
# The description holds one `key: value` per line, with the keys of the GitHub map: action, image, region, accounts,
# lighthouse, expires. The map ignores all other lines, and refuses those that name a key and cannot be read.
# The label must be among the current ones and not among the previous ones: a later edit of an approved issue sends
# another event with the label.
# The approver is the user who set the label. The map names people by user number, because the event names the
# author only by number, and an author who sets the label must not look like a second person. Many users may set a label: the policy
# says who may approve. A text that was edited with the label or after it is refused: the approver did not read it.
# The work item of a group is refused: it has no project, so its number alone would mix up two groups.
def approved: map(.title) | any(.[]; . == "approved");
def approves:
  (.object_kind == "issue" or .object_kind == "work_item")
  and .object_attributes.action == "update"
  and (.changes.labels.current // [] | approved)
  and (.changes.labels.previous // [] | approved | not);

# GitLab writes instants as `2026-11-02 06:53:58 UTC` or as RFC 3339. In the same form they compare as texts. Two
# instants in different zones do not compare; then the text counts as edited.
def instant: if . == null then "" else sub(" "; "T") | sub(" ?(UTC|[+]00:?00)$"; "Z") | sub("\\.[0-9]+"; "") end;
def zone: sub("^.{19}"; "");
def edited_since_label:
  (.last_edited_at | instant) as $edit | (.updated_at | instant) as $update
  | $edit != "" and (($edit | zone) != ($update | zone) or $edit > $update);
def edited:
  .changes.description != null or .changes.title != null or (.object_attributes | edited_since_label);

select(approves)
| if edited then error("the text was edited with the label or after it: set the label again") else . end
| (.project.path_with_namespace | required("project.path_with_namespace")) as $project
| "\($project)#\(.object_attributes.iid | required("object_attributes.iid"))" as $issue
| (.object_attributes.author_id | required("object_attributes.author_id") | tostring) as $author
| .object_attributes.last_edited_by_id as $editor
| (.object_attributes.description | ticket_fields(["action", "image", "region", "accounts", "lighthouse", "expires"])) as $ask
| {
    id: "\($issue)/\(.object_attributes.updated_at | required("object_attributes.updated_at"))",
    action: ($ask.action // "share" | ascii_downcase),
    image: $ask.image,
    region: $ask.region,
    accounts: ($ask.accounts | ticket_words),
    lighthouse: ($ask.lighthouse | ticket_flag),
    requester: $author,
    # A person who edited the text last may not approve it either.
    approvers: [.user.id | select(. != null) | tostring | select(. == $author or . != ($editor | tostring))],
    ticket: $issue,
    reason: .object_attributes.title
  }
  + ($ask.expires | ticket_expiry)
