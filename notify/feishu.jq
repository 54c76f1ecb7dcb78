# Feishu and Lark: a comment on the instance, by the app of the source's `fetch` in the name of `user`. The content is
# JSON in a text. "<" could begin a mention.
(.request.id | if test("^[0-9A-Za-z-]{1,64}$") then . else error("the request's id names no instance") end) as $instance
| "/open-apis/approval/v4/instances/\($instance)" as $path
| (if .user | startswith("ou_") then "open_id" else "user_id" end) as $kind
| {
    method: "POST",
    path: "\($path)/comments?user_id_type=\($kind)&user_id=\(.user | @uri)",
    body: {content: ({text: ([.lines[], .marker] | join("\n") | gsub("<"; "＜"))} | tojson)},
    look: {path: $path}
  }
