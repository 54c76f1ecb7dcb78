# ServiceNow: an approval record (sysapproval_approver) that becomes `approved` is a share request; others are ignored.
#
# A business rule or flow on sysapproval_approver, "after update, when state changes to approved", sends the Table
# API's own fields of the approval, with the requested item and its variables in it (docs/senders/servicenow.md has the script):
#   {"sys_id": …, "state": "approved", "approver": …,
#    "record": {"number": "RITM0010023", "approval": "approved", "requested_for": …, "opened_by": …,
#               "short_description": …, "variables": {"image": …, "region": …, "accounts": …, …}}}
# Every value is a text. A reference comes in one of three forms: a bare sys_id, {link, value}, or
# {display_value, value}. The map names people by sys_id in each form, so that a second spelling
# cannot hide a self-approval.
def reference:
  if type == "object" then (if (.value // "") != "" then .value else (.link // .display_value // "" | split("/") | last // "") end) else . end
  | if . == null or . == "" then null
    elif type == "string" and test("^[0-9a-f]{32}$") then .
    else error("a reference is no sys_id: \(.)") end;

# A plain field, in any of the forms that the Table API has for it.
def text:
  if type == "object" then (.value // .display_value) else . end
  | if . == null then null else tostring | trim | if . == "" then null else . end end;

# ServiceNow writes `YYYY-MM-DD HH:MM:SS`, in UTC but without a zone.
def instant:
  if . == null then null
  else sub("^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2}) (?<time>[0-9]{2}:[0-9]{2}:[0-9]{2})$"; "\(.date)T\(.time)Z") end;

# The script sends an empty variable as "". An event without `action` would be a share, one without `expires` endless.
def sent($names):
  ($names - keys) as $missing
  | if $missing == [] then . else error("record.variables lacks \($missing | join(" and ")): let the script send each " +
    "of them, as \"\" if the item has no such variable") end;

# An item may need several approvals. If the item has an approval state of its own, that state decides.
select((.state | text) == "approved")
| select((.record.approval | text) as $approval | $approval == null or $approval == "approved")
| .record as $record
| ($record.variables // {} | sent(["action", "expires"])) as $ask
| ($record.opened_by | reference) as $opener
| ($record.requested_for // $record.opened_by | reference) as $requester
| (.approver | reference) as $approver
| {
    id: "\($record.number | text | required("record.number"))/\(.sys_id | reference | required("sys_id"))",
    action: ($ask.action | text // "share" | ascii_downcase),
    image: ($ask.image | text),
    region: ($ask.region | text),
    accounts: ($ask.accounts | text | ticket_words),
    lighthouse: ($ask.lighthouse | text | ticket_flag),
    requester: $requester,
    # A person who opened the item for somebody else may not approve it either.
    approvers: [$approver | select(. != null and (. == $requester or . != $opener))],
    ticket: ($record.number | text),
    reason: ($record.short_description | text)
  }
  + ($ask.expires | text | instant | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
