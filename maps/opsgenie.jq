# Opsgenie: the custom alert action "ApproveShare" becomes a share request; every other action is ignored.
#
# The alert's tags hold the request, each as `key:value`: image, region, account (one tag per account), lighthouse,
# expires, action, requester. `requester` is an Opsgenie user name (an address), because the event names the approver
# in this way. All clicks of one person on one alert are the same approval. `Key = value` is read too: a tag that looks like
# one of these must not be ignored, because a request without `action` is a share, and one without `expires` has no end.
def tags: [.alert.tags[]? | capture("^\\s*(?<key>[A-Za-z]+)\\s*[:：=]\\s*(?<value>.*?)\\s*$") | .key |= ascii_downcase];
def one($key):
  [tags[] | select(.key == $key) | .value] | unique
  | if length > 1 then error("the alert has two tags \($key)")
    elif .[0] == "" then error("the alert's tag \($key) has no value")
    else .[0] end;

select(.action == "ApproveShare")
| (.alert.username | required("alert.username") | ascii_downcase) as $actor
| {
    id: "\(.alert.alertId | required("alert.alertId"))/\($actor)",
    action: (one("action") // "share" | ascii_downcase),
    image: one("image"),
    region: one("region"),
    accounts: [tags[] | select(.key == "account") | .value],
    lighthouse: (one("lighthouse") | ticket_flag),
    requester: (one("requester") | if . == null then . else ascii_downcase end),
    approvers: [$actor],
    ticket: (.alert.tinyId // .alert.alertId | tostring),
    reason: .alert.message
  }
  + (one("expires") | ticket_expiry)
# A cancel does not expire, whatever the field still holds from the share.
| if .action == "cancel" then del(.expires_in, .expires_at) else . end
