# Feishu and Lark: an approved instance becomes a share request. The event only names the instance; the
# source's `fetch` reads it with your app, and this map sees both as {event, instance}. Form and approvers
# come from the instance alone.
#
# Give the form's widgets these custom ids in the designer (Advanced settings > Custom id); their names
# are translated and can be changed, custom ids cannot. A widget that the form lacks reads as empty.
def field_image:      "image";       # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:     "region";      # ap-singapore
def field_accounts:   "accounts";    # 700000164995, 909619400
def field_lighthouse: "lighthouse";  # yes or no; only for img-…
def field_expiry:     "expires";     # 30d, a date, or a date and time
def field_action:     "action";      # share or cancel; empty means share
def field_reason:     "reason";

def value($id):
  [.form[]? | select(.custom_id == $id) | .value]
  | if length > 1 then error("the form has two widgets with the custom id \($id)") else .[0] end;
# A text or a number, or a list of them, as a multiple choice writes it.
def texts:
  if type == "array" then .[] else . end
  | if . == null or . == "" then empty
    elif type == "string" then trim
    elif type == "number" then tostring
    else error("a widget's value is neither a text nor a number") end;
def text($id): [value($id) | texts] | if length == 0 then null else join(" ") end;
def words($id): [value($id) | texts | ticket_words[]];

# People by user_id, which is theirs in the whole company; by open_id where your app may not read it. A
# person with one of the applicant's ids gets the applicant's name, so that a second spelling cannot hide a
# self-approval.
def id_of($name): .[$name] | if . == "" then null else . end;
def person: id_of("user_id") // id_of("open_id");
def same($other):
  (id_of("user_id") != null and id_of("user_id") == ($other | id_of("user_id"))) or
  (id_of("open_id") != null and id_of("open_id") == ($other | id_of("open_id")));

# Who passed a node. An automatic pass has no person. What was passed before the request was sent back does
# not count: its form may have changed since.
def passes:
  sort_by(.create_time | tonumber)
  | reduce .[] as $step ([];
      if ($step.type | test("^(START|ROLLBACK|ROLLBACK_SELECTED)$")) then []
      elif $step.type == "PASS" then . + [$step] else . end);

.instance
| if . == null then error("the instance is missing; set `fetch` of the source") else . end
| . as $instance
| person as $requester
| {
    id: (.instance_code | required("instance.instance_code")),
    action: (text(field_action) // "share" | ascii_downcase),
    image: text(field_image),
    region: text(field_region),
    accounts: words(field_accounts),
    lighthouse: (text(field_lighthouse) | ticket_flag),
    requester: $requester,
    approvers: ([.timeline // [] | passes[] | if same($instance) then $requester else person end
                 | select(. != null)] | unique),
    ticket: (.serial_number // .instance_code),
    reason: (text(field_reason) // .approval_name)
  }
  + (text(field_expiry) | ticket_expiry)
