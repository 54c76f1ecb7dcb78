# EventBridge: an event with the detail type "Image Share Approved"; all others are ignored.
#
# `detail` is a native request. Without an `id` in it, the request gets the event's id, which EventBridge keeps when it
# delivers an event again. The event may also arrive through a queue, as the message's text, or through a topic, as JSON
# text inside an SNS message.
def unwrapped:
  if .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
  then .Message | fromjson else . end;

unwrapped
| select(."detail-type" == "Image Share Approved")
| .id as $event
| .detail
| if .id == null then . + {id: $event} else . end
