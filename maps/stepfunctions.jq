# Step Functions: a state that sends a message (SQS, SNS or a direct invocation) with its Parameters:
#   {"execution.$": "$$.Execution.Id", "state.$": "$$.State.Name", "request.$": "$.request", "TaskToken.$": "$$.Task.Token"}
# `request` is a native request; `input` and `Input`, as in AWS's samples, are read too. The task's token is not part
# of the request, whatever it is called. Without an id of its own a request is known by the execution and the state:
# a state that is retried asks for the same thing, another execution for a new one.
def unwrapped:
  if .Type == "Notification" and (.TopicArn | type) == "string" and (.Message | type) == "string"
  then .Message | fromjson else . end;

unwrapped
| . as $message
| (.request // .input // .Input // error("neither request nor input is there"))
| if type == "string" then fromjson else . end
| if .id == null and $message.execution != null
  then . + {id: "\($message.execution | split(":") | last | required("execution"))/\($message.state // "share")"}
  else . end
