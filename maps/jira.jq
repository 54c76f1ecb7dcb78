# Jira: an issue that moves to Approved becomes a share request; every other event is ignored.
#
# Jira numbers its custom fields per site: Settings > Issues > Custom fields, or
#   curl -u … https://SITE.atlassian.net/rest/api/3/field
# shows which is which. Change the six numbers here; for a field that your site does not have, write null as the whole
# definition: `def field_lighthouse: null;`. Jira sends an empty field as null, so an absent one has a wrong number.
# Each may be a text, a single choice ({"value": …}), a list of either, or a text with commas or blanks.
def field($id):
  if any(.changed[]; . == $id) then error("field \($id) changed together with the status: move the issue to Approved again")
  elif .fields | has($id) then .fields[$id]
  else error("the issue has no field \($id): correct its number at the top of the map, " +
    "or write null there if your site has no such field") end;
def field_image:      field("customfield_10101");  # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:     field("customfield_10102");  # ap-singapore
def field_accounts:   field("customfield_10103");  # 700000164995, 909619400
def field_lighthouse: field("customfield_10104");  # yes or no; only for img-…
def field_expiry:     field("customfield_10105");  # 30d, a date, or a date and time
def field_action:     field("customfield_10106");  # share or cancel; empty means share

# The status is matched by its name. Names can be renamed and translated, ids cannot: to match the id
# instead, write `.to == "10042"` with the number that .../rest/api/3/status shows for it.
# Only the transition counts, not the current status: a later edit of an approved issue sends another
# event with the status Approved, and must not share again. A custom field can have the name "status" too.
def approves: .field == "status" and .fieldtype == "jira" and .toString == "Approved" and .from != .to;

def texts:
  if . == null then empty
  elif type == "array" then .[] | if type == "object" then .value // .name // empty else tostring end
  elif type == "object" then .value // .name // empty
  else tostring end;
def words: [texts | ticket_words[]];
def text:  [texts | trim | select(. != "")] | if length == 0 then null else join(" ") end;

# Jira writes the offset +0000 where RFC 3339 has +00:00.
def rfc3339_offset:
  if . == null then null else sub("(?<h>T.*[+-][0-9]{2})(?<m>[0-9]{2})$"; "\(.h):\(.m)") end;

# People of Jira Cloud by address, or by account id where the address is hidden. People of Data Center, which has no account
# ids, by user name: there, people may write any address into their own profile.
# An approver who is the reporter gets the reporter's name, so that a second spelling cannot hide a self-approval. An
# approver who created the issue for another reporter does not count: whoever creates an issue can name any reporter.
def person: if .accountId == null then .name else .emailAddress // .accountId end;
def same($other): . != null and $other != null and
  ((.accountId != null and .accountId == $other.accountId) or (.name != null and .name == $other.name));

# What changes together with the status is refused: the approver has not read it. Old versions of Data Center do not say
# which custom field changed. A cancel needs no approver, so it may be written at that moment.
def changed:
  [.changelog.items[]? | select(approves | not)
    | if .fieldId == null and .fieldtype == "custom" then error("a custom field changed together with the status, and the " +
        "event does not say which: take it off the transition's screen, and move the issue to Approved again")
      else .fieldId // .field end]
  | if any(.[]; . == "reporter") then error("the reporter changed together with the status: move the issue to Approved again") else . end;

select(.webhookEvent == "jira:issue_updated")
| select([.changelog.items[]? | select(approves)] | length > 0)
| .issue.fields as $fields
| ({$fields, changed: []} | field_action | text // "share" | ascii_downcase) as $action
| {$fields, changed: (if $action == "cancel" then [] else changed end)} as $ask
| ($fields.reporter | person) as $requester
| {
    id: "\(.issue.key | required("issue.key"))/\(.changelog.id | required("changelog.id"))",
    action: ($ask | field_action | text // "share" | ascii_downcase),
    image: ($ask | field_image | text),
    region: ($ask | field_region | text),
    accounts: ($ask | field_accounts | words),
    lighthouse: ($ask | field_lighthouse | text | ticket_flag),
    requester: $requester,
    approvers: [.user | if same($fields.reporter) then $requester elif same($fields.creator) then empty else person end | select(. != null)],
    ticket: .issue.key,
    reason: $fields.summary
  }
  + ($ask | field_expiry | text | rfc3339_offset | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
