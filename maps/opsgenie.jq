# Opsgenie: the custom alert action "ApproveShare" becomes a share request; every other action is ignored.
#
# The alert's tags hold what is asked, each as `key:value`: image, region, account (one tag per account), lighthouse,
# expires, action, requester. `requester` is the asker's user name, an address, because whoever runs the action is
# known by theirs. One person's action on one alert is one approval; a second click of theirs is the same one.
def tags: [.alert.tags[]? | capture("^(?<key>[a-z]+):(?<value>.+)$")];
def one($key):
  [tags[] | select(.key == $key) | .value] | unique
  | if length > 1 then error("the alert has two tags \($key)") else .[0] end;

def expiry:
  if . == null then {}
  elif test("^[0-9]+[smhdw]$") then {expires_in: .}
  elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then {expires_at: "\(.)T00:00:00Z"}
  else {expires_at: .} end;

def flag:
  if . == null then null
  elif ascii_downcase | . == "yes" or . == "true" then true
  elif ascii_downcase | . == "no" or . == "false" then false
  else . end;

select(.action == "ApproveShare")
| (.alert.username | required("alert.username") | ascii_downcase) as $actor
| {
    id: "\(.alert.alertId | required("alert.alertId"))/\($actor)",
    action: (one("action") // "share" | ascii_downcase),
    image: one("image"),
    region: one("region"),
    accounts: [tags[] | select(.key == "account") | .value],
    lighthouse: (one("lighthouse") | flag),
    requester: (one("requester") | if . == null then . else ascii_downcase end),
    approvers: [$actor],
    ticket: (.alert.tinyId // .alert.alertId | tostring),
    reason: .alert.message
  }
  + (one("expires") | expiry)
