# WeCom, whose approvals have no comments: a message to the requester, by the app of the source's `fetch`, whose AgentId is
# `user`. WeCom drops a repetition within four hours. A text may have 2,048 bytes; 500 characters are never more. "<"
# could begin a link, and the user "@all" would address everybody.
(.request.requester // "" | if test("^[0-9A-Za-z][0-9A-Za-z_.@-]{0,63}$") then . else error("the requester is no userid") end) as $person
| (.lines | join("\n") | gsub("<"; "＜")) as $text
| {
    method: "POST",
    path: "/cgi-bin/message/send",
    body: {
      touser: $person,
      msgtype: "text",
      agentid: (.user | tonumber),
      text: {content: ($text | if utf8bytelength > 2048 then .[:500] else . end)},
      enable_duplicate_check: 1,
      duplicate_check_interval: 14400
    }
  }
