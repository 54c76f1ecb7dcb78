# DingTalk: a comment on the instance, by the app of the source's `fetch` in the name of `user`. A later read of the
# instance returns the comment among its records.
(.request.id | if test("^[0-9A-Za-z_-]{1,64}$") then . else error("the request's id names no instance") end) as $instance
| {
    method: "POST",
    path: "/v1.0/workflow/processInstances/comments",
    body: {processInstanceId: $instance, text: ([.lines[], .marker] | join("\n")), commentUserId: .user},
    look: {path: "/v1.0/workflow/processInstances?processInstanceId=\($instance)"}
  }
