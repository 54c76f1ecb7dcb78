# Slack: a click on the button `approve_share` becomes a share request; every other interaction is ignored.
#
# The app that posts the message puts the request into the button's `value`, as JSON text with the fields of a native
# request: image, region, accounts, requester and so on, at most 2000 characters. Slack returns it unchanged, so the
# person who clicks cannot alter it. `requester` is a Slack user id, because the event names the approver by it: a
# second spelling could hide a self-approval. All clicks of one person on one message are the same approval.
def member: if type == "string" and test("^[UW][A-Z0-9]{2,}$") then . else error("requester is no Slack user id") end;

select(.type == "block_actions")
| . as $event
| .actions[]?
| select(.action_id == "approve_share")
| (.value | fromjson) as $ask
| ($event.container.message_ts | required("container.message_ts")) as $message
| ($event.team.id // $event.user.team_id | required("team.id")) as $team
| ($event.user.id | required("user.id")) as $approver
| $ask
  + {
      id: "\($team)/\($event.container.channel_id | required("container.channel_id"))/\($message)/\($approver)",
      requester: ($ask.requester | member),
      approvers: [$approver]
    }
