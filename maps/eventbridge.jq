# EventBridge: an event with the detail type "Image Share Approved"; every other one is ignored.
#
# `detail` is a native request. Without an id of its own the request is known by the event's id, which EventBridge
# keeps when it delivers an event again. A queue or topic between bus and function changes nothing: the event is the
# message's text, or JSON text inside an SNS message.
def unwrapped:
  if .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
  then .Message | fromjson else . end;

unwrapped
| select(."detail-type" == "Image Share Approved")
| .id as $event
| .detail
| if .id == null then . + {id: $event} else . end
