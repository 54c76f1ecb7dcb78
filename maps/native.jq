# The body is the share request itself, or an SNS message that carries one as JSON text in `Message`: a topic wraps
# the request in this way when it feeds a queue without raw delivery or posts over HTTPS.
if type == "object" and .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
then .Message | fromjson
else . end
