# Step Functions: the end of a task that waits with a token. No task waits for later outcomes. sharehook keeps the
# token only in memory, for the invocation that brought it.
def output: {id: .request.id, status, results, expires_at} | tojson;
def call($name; $body):
  {
    method: "POST",
    path: "/",
    headers: {"x-amz-target": "AWSStepFunctions.\($name)"},
    body: ($body + {taskToken: .callback.task_token})
  };

if .type == "completed" then call("SendTaskSuccess"; {output: output})
elif .type == "partial" then call("SendTaskFailure"; {error: "Partial", cause: (.lines | join("\n"))})
elif .type == "failed" then call("SendTaskFailure"; {error: "Failed", cause: (.lines | join("\n"))})
elif .type == "denied" then call("SendTaskFailure"; {error: "Denied", cause: (.lines | join("\n"))})
else empty end
