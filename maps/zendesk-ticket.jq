# Zendesk: an event that names a ticket, and the ticket itself, which the source's `fetch` reads. This map sees both as
# {event, instance}. The image, the accounts and the approver come from the ticket. The event adds one condition: the person
# who fired the trigger must be the approver in the ticket, because an agent can write any name into the ticket.
#
# The ticket is read after the event, and an edit in between is not approved. So the event also has the six fields of the
# request as they were then, by their ids, and each of them must still have that value. The trigger's body:
#   {"ticket": "{{ticket.id}}", "by": "{{current_user.id}}",
#    "fields": {"360000000001": "{{ticket.ticket_field_360000000001}}", …}}
#
# Write the id of each of your ticket fields here; Zendesk shows it in the list of fields. `field_approved_by` is a
# lookup field for a user: approvers enter themselves there.
def field_image:       360000000001;   # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:      360000000002;   # ap-singapore
def field_accounts:    360000000003;   # 700000164995, 909619400
def field_lighthouse:  360000000004;   # a check box; only for img-…
def field_expiry:      360000000005;   # 30d or 2026-12-31; a text or a drop-down, no date field
def field_action:      360000000006;   # share or cancel; empty means share
def field_approved_by: 360000000007;

# A drop-down's value is its tag; tags have no capitals. An empty field is null or "".
def text:
  if . == null then null
  elif type == "string" then trim | if . == "" then null else . end
  else tostring end;
def field($id):
  [.custom_fields[] | select(.id == $id) | .value]
  | if length == 0 then error("the ticket has no field \($id)") else .[0] | text end;

# A value as placeholders and the API both write it: lines end differently, an empty field can be "-", and a check box that
# is not ticked is false, "0", "" or null.
def plain: text | if . == null or . == "-" then null else gsub("\\s+"; " ") | ticket_flag | if . == false then null else . end end;
def approved($then; $id):
  field($id) as $now
  | if ($then | has("\($id)") | not) then error("event.fields lacks \($id): write it into the trigger's body")
    elif ($then["\($id)"] | plain) == ($now | plain) then $now
    else error("field \($id) changed after the approval: approve the ticket again") end;

(.event.by | text | required("event.by")) as $actor
| (.event.fields // {}) as $then
| .instance.ticket
| field(field_approved_by) as $approver
| select($approver == $actor)
| (approved($then; field_action) // "share" | ascii_downcase) as $action
| (.requester_id | text) as $requester
| (.submitter_id | text) as $submitter
| {
    # A ticket shares once and cancels once, however often it is edited.
    id: "\(.id | text | required("ticket.id"))/\($action)",
    action: $action,
    image: approved($then; field_image),
    region: approved($then; field_region),
    accounts: (approved($then; field_accounts) | ticket_words),
    lighthouse: (approved($then; field_lighthouse) | ticket_flag),
    requester: $requester,
    # A person who opened the ticket for somebody else may not approve it either.
    approvers: [$approver | select(. == $requester or . != $submitter)],
    ticket: (.id | text),
    reason: (.subject | text)
  }
  # A cancel does not expire.
  + (if $action == "share" then approved($then; field_expiry) | ticket_expiry else {} end)
