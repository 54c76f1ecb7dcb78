# Slack: an answer through the interaction's response_url while this process knows it, else a message in the thread of
# the button. &, < and > are escaped, so nothing is a mention, and names are not linked.
def quiet: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");

{text: (.lines | map(quiet) | join("\n")), mrkdwn: false, link_names: false, parse: "none"} as $message
| if .callback.response_url then
    {method: "POST", path: "", to_response_url: true, body: ($message + {response_type: "in_channel", replace_original: false})}
  else
    (.request.id | capture("^[A-Z0-9]+/(?<channel>[A-Z0-9]+)/(?<thread>[0-9]+\\.[0-9]+)/") // error("the request's id names no message")) as $button
    | {
        method: "POST",
        path: "/api/chat.postMessage",
        body: ($message + {channel: $button.channel, thread_ts: $button.thread, unfurl_links: false})
      }
  end
