# DingTalk: a message of a group's custom robot. Its address is the secret, so the path is empty. A text mentions
# people only through fields beside it.
{method: "POST", path: "", body: {msgtype: "text", text: {content: (.lines | join("\n"))}}}
