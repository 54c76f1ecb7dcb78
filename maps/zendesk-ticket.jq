# Zendesk: an event that names a ticket, and the ticket itself, which the source's `fetch` reads. This map sees both as
# {event, instance}. The image, the accounts and the approver come from the ticket. The event adds one condition: the person
# who fired the trigger must be the approver in the ticket, because an agent can write any name into the ticket.
#
# The trigger's body: {"ticket": "{{ticket.id}}", "by": "{{current_user.id}}"}
#
# Write the id of each of your ticket fields here; Zendesk shows it in the list of fields. `field_approved_by` is a
# lookup field for a user: approvers enter themselves there.
def field_image:       360000000001;   # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:      360000000002;   # ap-singapore
def field_accounts:    360000000003;   # 700000164995, 909619400
def field_lighthouse:  360000000004;   # a check box; only for img-…
def field_expiry:      360000000005;   # 30d, or a date
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

(.event.by | text | required("event.by")) as $actor
| .instance.ticket
| field(field_approved_by) as $approver
| select($approver == $actor)
| (field(field_action) // "share" | ascii_downcase) as $action
| {
    # A ticket shares once and cancels once, however often it is edited.
    id: "\(.id | text | required("ticket.id"))/\($action)",
    action: $action,
    image: field(field_image),
    region: field(field_region),
    accounts: (field(field_accounts) | ticket_words),
    lighthouse: (field(field_lighthouse) | ticket_flag),
    requester: (.requester_id | text),
    approvers: [$approver],
    ticket: (.id | text),
    reason: (.subject | text)
  }
  # A cancel does not expire.
  + (if $action == "share" then field(field_expiry) | ticket_expiry else {} end)
