# Any receiver: a structured CloudEvent, signed by Standard Webhooks. Its id is the same at every attempt.
{
  method: "POST",
  path: "",
  body: {
    specversion: "1.0",
    id: .id,
    source: "sharehook",
    type: (if .rejected then "sharehook.delivery.rejected" elif .drifted then "sharehook.drift.found"
           else "sharehook.request.\(.type)" end),
    subject: (if .incident then .incident else "\(.request.source)/\(.request.id)" end),
    time: .time,
    datacontenttype: "application/json",
    data: (del(.id, .marker, .time, .refused, .contact, .transition, .user, .callback))
  }
}
