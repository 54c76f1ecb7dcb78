# WeCom: a message of a group's robot. Its address is the secret, so the path is empty. A text may have 2,048 bytes;
# 500 characters are never more. "<" could begin a mention.
(.lines | join("\n") | gsub("<"; "＜")) as $text
| {
    method: "POST",
    path: "",
    body: {msgtype: "text", text: {content: ($text | if utf8bytelength > 2048 then .[:500] else . end)}}
  }
