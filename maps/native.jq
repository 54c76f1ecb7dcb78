# The body is the share request itself, or an SNS message that carries one: a topic that feeds a queue without raw
# delivery, or that posts over HTTPS, wraps it as JSON text in `Message`.
if type == "object" and .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
then .Message | fromjson
else . end
