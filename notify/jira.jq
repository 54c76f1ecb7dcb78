# Jira, Cloud (v2) and Data Center: a comment on the issue that the request names as its ticket, and the transition
# that the configuration names for this outcome. Text is escaped in Jira's wiki markup: no link, mention or image.
def quiet:
  gsub("(?<c>[\\\\{}\\[\\]*^~|!#_])"; "\\\(.c)") | gsub("(?<c>\\B[-+?]|[-+?]\\B)"; "\\\(.c)");

(.request.ticket // "" | if test("^[A-Z][A-Z0-9_]*-[0-9]+$") then . else error("the ticket is no issue key") end) as $issue
| "/rest/api/2/issue/\($issue)" as $path
| {
    method: "POST",
    path: "\($path)/comment",
    body: {body: ([.lines[], .marker] | map(quiet) | join("\n"))},
    look: {path: "\($path)/comment?orderBy=-created&maxResults=50"}
  },
  (select(.transition != null)
   | {method: "POST", path: "\($path)/transitions", body: {transition: {id: .transition}}, optional: true})
