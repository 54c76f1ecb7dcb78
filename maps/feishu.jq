# Feishu and Lark: an approved instance becomes a share request. The event only names the instance; the
# source's `fetch` reads it with your app, and this map sees both as {event, instance}. Form and approvers
# come only from the instance.
#
# Give the form's widgets these custom ids in the designer (Advanced settings > Custom id); their names
# are translated and can be changed, custom ids cannot. A widget that the form lacks reads as empty, because Feishu may
# leave out hidden widgets.
def field_image:      "image";       # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:     "region";      # ap-singapore
def field_accounts:   "accounts";    # 700000164995, 909619400
def field_lighthouse: "lighthouse";  # yes or no; only for img-…
def field_expiry:     "expires";     # 30d, a date, or a date and time
def field_action:     "action";      # share or cancel; empty means share
def field_reason:     "reason";

def value($id):
  [.form[]? | select($id != null and .custom_id == $id) | .value]
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

# A widget without its custom id, as in a copied form, would make a cancel a share, and a share endless. So if the
# form has no action, the map refuses it if a widget that the map does not read holds one; likewise for a length of time.
def is_read:
  .custom_id as $id
  | any(field_image, field_region, field_accounts, field_lighthouse, field_expiry, field_action, field_reason;
      . != null and . == $id);
def stray($id; $looks):
  select($id != null and text($id) == null)
  | .form[]? | select(is_read | not)
  | select(.value | if type == "array" then .[] else . end | strings | test($looks; "i"))
  | "the widget \(.name) (\(.id)) looks like \($id): give it this custom id in the designer, or write null at the top of " +
    "the map if the form has no such widget";
def strays: stray(field_action; "^\\s*(share|cancel)\\s*$"), stray(field_expiry; "^\\s*[0-9]+[smhdw]\\s*$");

# Names all people of an instance by one kind of id, so that one person does not count as two and a self-approval
# is visible: by user_id, which is valid in the whole company, if everybody has one; otherwise by open_id.
def id_of($kind): .[$kind] | if . == "" then null else . end;
def kind_for($people):
  if all($people[]; id_of("user_id") != null) then "user_id"
  elif all($people[]; id_of("open_id") != null) then "open_id"
  else error("the people of the instance have no kind of id in common; " +
    "let your app read user_ids (contact:user.employee_id:readonly)") end;

# The people who passed a node. An automatic pass has no person. Passes from before the request was sent back do
# not count, because the form may have changed since.
def passes:
  sort_by(.create_time | tonumber)
  | reduce .[] as $step ([];
      if ($step.type | test("^(START|ROLLBACK|ROLLBACK_SELECTED)$")) then []
      elif $step.type == "PASS" then . + [$step] else . end);

.instance
| if . == null then error("the instance is missing; set `fetch` of the source") else . end
| [strays] as $strays
| if $strays == [] then . else error($strays[0]) end
| [.timeline // [] | passes[] | select(id_of("user_id") // id_of("open_id"))] as $passed
| kind_for([.] + $passed) as $kind
| {
    id: (.instance_code | required("instance.instance_code")),
    action: (text(field_action) // "share" | ascii_downcase),
    image: text(field_image),
    region: text(field_region),
    accounts: words(field_accounts),
    lighthouse: (text(field_lighthouse) | ticket_flag),
    requester: id_of($kind),
    approvers: ([$passed[] | id_of($kind)] | unique),
    ticket: (.serial_number // .instance_code),
    reason: (text(field_reason) // .approval_name)
  }
  + (text(field_expiry) | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
