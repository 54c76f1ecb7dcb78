# Freshservice: a private note on the ticket, as HTML. `SR-482` is ticket 482 of the API.
(.request.ticket // "" | if test("^([A-Z]+-)?[0-9]{1,20}$") then sub("^[A-Z]+-"; "") else error("the ticket is no ticket number") end) as $ticket
| {
    method: "POST",
    path: "/api/v2/tickets/\($ticket)/notes",
    body: {body: ([.lines[], .marker] | map(@html) | join("<br>")), private: true},
    look: {path: "/api/v2/tickets/\($ticket)/conversations?per_page=100"}
  }
