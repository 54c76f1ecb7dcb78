# WeCom's approval app: an approved request becomes a share request. The event has no values of the form; the
# source's `fetch` reads the request with your app, and this map sees both as {event, instance}. Form and approvers
# come only from the instance.
#
# Write the id of each control of your template here, such as Text-1640339319582; the API getapprovaldetail shows
# them. Their titles are translated and can be changed, ids cannot. For a control that your template does not have,
# write null. WeCom sends empty and hidden controls too, so an absent one has a wrong id.
def field_image:      "Text-1793601000001";      # lhbp-6jc6l8yb or img-6pb6lrmy
def field_region:     "Selector-1793601000002";  # ap-singapore
def field_accounts:   "Textarea-1793601000003";  # 700000164995, 909619400
def field_lighthouse: "Selector-1793601000004";  # yes or no; only for img-…
def field_expiry:     "Text-1793601000005";      # 30d, a date, or a date and time; or a Date control
def field_action:     "Selector-1793601000006";  # share or cancel; empty means share
def field_reason:     "Textarea-1793601000007";

def control($id):
  [.apply_data.contents[]? | select($id != null and .id == $id)]
  | if length > 1 then error("the form has two controls with the id \($id)")
    elif length == 0 and $id != null then error("the form has no control with the id \($id): correct the id at the " +
      "top of the map, or write null there if the template has no such control")
    else .[0] end;
# The texts of a control. A choice has a text per language; the first is in the language of the template.
def values_of($kind):
  if $kind == null then empty
  elif any("Text", "Textarea"; . == $kind) then .value.text
  elif $kind == "Number" then .value.new_number
  elif $kind == "Date" then .value.date.s_timestamp | select(. != null and . != "") | tonumber | floor | todate
  elif $kind == "Selector" then .value.selector.options[]? | .value[0].text
  else error("a control of the kind \($kind) cannot be read") end;
def texts: .control as $kind | values_of($kind) | select(. != null) | tostring | trim | select(. != "");
def text($id): [control($id) | texts] | if length == 0 then null else join(" ") end;
def words($id): [control($id) | texts | ticket_words[]];

# The people who agreed (2), or agreed and added another approver (13). Agreements from before the request was returned
# (11) do not count, because the form may have changed since. Older templates have sp_record in place of process_list.
# A handler (node_type 3) is not an approver.
def steps:
  if (.process_list.node_list // []) != [] then
    .process_list.node_list[] | select(.node_type == 1) | .sub_node_list[]?
    | {who: .userid, said: .sp_yj, at: .sptime}
  else
    .sp_record[]? | .details[]? | {who: .approver.userid, said: .sp_status, at: .sptime}
  end;
def agreed:
  [steps] | ([.[] | select(.said == 11) | .at] | max) as $back
  | [.[] | select(.said == 2 or .said == 13) | select($back == null or .at > $back)
     | .who | select(. != null and . != "")];

.instance
| if . == null then error("the instance is missing; set `fetch` of the source") else . end
| {
    id: (.sp_no | required("instance.sp_no")),
    action: (text(field_action) // "share" | ascii_downcase),
    image: text(field_image),
    region: text(field_region),
    accounts: words(field_accounts),
    lighthouse: (text(field_lighthouse) | ticket_flag),
    requester: .applyer.userid,
    approvers: (agreed | unique),
    ticket: .sp_no,
    reason: (text(field_reason) // .sp_name)
  }
  + (text(field_expiry) | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
