# Opsgenie: a note on the alert, in plain text. The request's id begins with the alert's.
(.request.id | capture("^(?<id>[0-9a-fA-F-]{8,80})/") // error("the request's id names no alert")) as $alert
| "/v2/alerts/\($alert.id)/notes" as $path
| {
    method: "POST",
    path: "\($path)?identifierType=id",
    body: {note: ([.lines[], .marker] | join("\n")), source: "sharehook"},
    look: {path: "\($path)?identifierType=id&order=desc&limit=100"}
  }
