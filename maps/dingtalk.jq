# DingTalk: an approved instance becomes a share request. The event only names the instance; the source's `fetch`
# reads it with your app, and this map sees both as {event, instance}. Form and approvers come only from the
# instance.
#
# Write the id of each component of your form here: its bizAlias if it has one, else its id, such as
# TextField-K2AD4O5B. Their names are translated and can be changed, ids cannot. For a component that your form does
# not have, write null. DingTalk sends an empty component too, so an absent one has a wrong id.
def field_image:      "image";       # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:     "region";      # ap-singapore
def field_accounts:   "accounts";    # 700000164995, 909619400
def field_lighthouse: "lighthouse";  # yes or no; only for img-…
def field_expiry:     "expires";     # 30d, a date, or a date and time
def field_action:     "action";      # share or cancel; empty means share
def field_reason:     "reason";

def value($id):
  [.formComponentValues[]? | select($id != null and (.bizAlias == $id or .id == $id)) | .value]
  | if length > 1 then error("the form has two components with the id \($id)")
    elif length == 0 and $id != null then error("the form has no component with the id \($id): correct the id at " +
      "the top of the map, or write null there if the form has no such component")
    else .[0] end;
# A text, or a multiple choice, which is a list of texts as JSON. An empty component has the value "null".
def texts:
  if . == null or . == "" or . == "null" then empty
  elif type != "string" then error("a component's value is not a text")
  else (. as $text | try [fromjson[] | if type == "string" then . else error("no choice") end] catch [$text])[]
    | trim end;
def text($id): [value($id) | texts] | if length == 0 then null else join(" ") end;
def words($id): [value($id) | texts | ticket_words[]];

# DingTalk's date component has no time zone, as in "2026-12-31 18:00", and means the time in China. A date alone has
# no time of day either, and stays as it is.
def beijing:
  if type == "string" and test("^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$") then sub(" "; "T") + ":00+08:00" else . end;

# The people who agreed in their own name: DingTalk does not document whose id the record of a deputy has. An agreement
# from before the instance was sent back does not count, because the form may have changed since. Times are whole
# minutes, so an agreement in the same minute does not count either.
def agreed:
  .operationRecords // []
  | ([.[] | select(.type == "REDIRECT_PROCESS") | .date] | max) as $back
  | [.[] | select(.type == "EXECUTE_TASK_NORMAL" and .result == "AGREE") | select($back == null or .date > $back)
     | .userId | select(. != null and . != "")];

.instance
| if . == null then error("the instance is missing; set `fetch` of the source") else . end
| {
    id: (.processInstanceId | required("instance.processInstanceId")),
    action: (text(field_action) // "share" | ascii_downcase),
    image: text(field_image),
    region: text(field_region),
    accounts: words(field_accounts),
    lighthouse: (text(field_lighthouse) | ticket_flag),
    requester: .originatorUserId,
    approvers: (agreed | unique),
    ticket: (.businessId // .processInstanceId),
    reason: (text(field_reason) // .title)
  }
  + (text(field_expiry) | beijing | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
