# Zendesk: a private comment on the ticket, as HTML, so that nothing in it is read as markup.
(.request.ticket // "" | if test("^[0-9]{1,20}$") then . else error("the ticket is no ticket number") end) as $ticket
| {
    method: "PUT",
    path: "/api/v2/tickets/\($ticket).json",
    body: {ticket: {comment: {html_body: ([.lines[], .marker] | map(@html) | join("<br>")), public: false}}},
    look: {path: "/api/v2/tickets/\($ticket)/comments.json?sort_order=desc"}
  }
