# PagerDuty: a note on the incident, in plain text. `user` in the configuration is the address in the From header.
(.request.ticket // "" | if test("^[A-Z0-9]{1,40}$") then . else error("the ticket is no incident id") end) as $incident
| {
    method: "POST",
    path: "/incidents/\($incident)/notes",
    headers: {accept: "application/vnd.pagerduty+json;version=2", from: (.user // error("user is missing: write the address of a PagerDuty user"))},
    body: {note: {content: ([.lines[], .marker] | join("\n"))}},
    look: {path: "/incidents/\($incident)/notes"}
  }
