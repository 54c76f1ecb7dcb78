# Step Functions: a state that sends a message (SQS, SNS or a direct invocation) with its Parameters:
#   {"execution.$": "$$.Execution.Id", "state.$": "$$.State.Name", "request.$": "$.request", "TaskToken.$": "$$.Task.Token"}
# `request` is a native request; the map also reads `input` and `Input`, as in AWS's samples, and ignores the task
# token. A request without an `id` gets one from the execution and the state: a retried state repeats its request,
# and another execution makes a new request.
def unwrapped:
  if .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
  then .Message | fromjson else . end;

unwrapped
| . as $message
| (.request // .input // .Input // error("the message has neither request nor input"))
| if type == "string" then fromjson else . end
| if .id == null and $message.execution != null
  then . + {id: "\($message.execution | split(":") | last | required("execution"))/\($message.state // "share")"}
  else . end
