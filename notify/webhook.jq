# Any receiver: a structured CloudEvent, signed by Standard Webhooks. Its id is the same at every attempt.
{
  method: "POST",
  path: "",
  body: {
    specversion: "1.0",
    id: .id,
    source: "sharehook",
    type: "sharehook.request.\(.type)",
    subject: "\(.request.source)/\(.request.id)",
    time: .time,
    datacontenttype: "application/json",
    data: (del(.id, .marker, .time, .refused, .contact, .transition, .user, .callback))
  }
}
