# GitLab: an internal note on the issue. Backslashes keep text from being markup, an invisible space behind @, #, !, ~,
# &, %, $ and the colon of :// from being a mention, a reference or a link. A quick action begins a line; no line here begins with a slash.
def quiet:
  gsub("(?<c>[\\\\`*_{}\\[\\]<>|])"; "\\\(.c)") | gsub("(?<c>[@#!~&%$]|:(?://))"; "\(.c)\u200b") | sub("^/"; "\u200b/");

(.request.ticket // "" | capture("^(?<project>[A-Za-z0-9_./-]+)#(?<number>[0-9]{1,10})$") // error("the ticket is no issue")) as $issue
| "/api/v4/projects/\($issue.project | @uri)/issues/\($issue.number)/notes" as $path
| {
    method: "POST",
    path: $path,
    body: {body: ([.lines[], .marker] | map(quiet) | join("\n\n")), internal: true},
    look: {path: "\($path)?sort=desc&order_by=created_at&per_page=50"}
  }
