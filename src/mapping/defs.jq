# The filters that are written in jq itself. Filters that jq 1.7 also has behave as in jq 1.7. The
# others are helpers, and filters for tickets. The engine loads this file after the definitions of
# its own core.
def null:      [][0];
def values:    select(. != null);
def nulls:     select(. == null);
def booleans:  select(type == "boolean");
def numbers:   select(type == "number");
def strings:   select(type == "string");
def arrays:    select(type == "array");
def objects:   select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars:   select(type | . != "array" and . != "object");

def isnan:      type == "number" and tojson == "null";
def isinfinite: . == infinite or . == -infinite;
def isnormal:   type == "number" and ((. == 0 or isnan or isinfinite) | not);
def abs:        if type == "number" and . < 0 then -. else . end;
def toarray:    if type == "array" then . else [.] end;
def toboolean:  if type == "boolean" then . elif . == "true" then true elif . == "false" then false
                else error("cannot parse \(type) as a boolean") end;

def add(f): reduce f as $x (null; . + $x);
def add: add(.[]);
def min_by(f): reduce min_by_or_empty(f) as $x (null; $x);
def max_by(f): reduce max_by_or_empty(f) as $x (null; $x);
def min: min_by(.);
def max: max_by(.);
def unique_by(f): [group_by(f)[] | .[0]];
def unique: unique_by(.);
def keys: keys_unsorted | if type == "array" then sort else . end;
def flatten: [recurse(arrays[]) | select(type != "array")];
def flatten($depth):
  if $depth < 0 then error("flatten depth must not be negative")
  elif $depth == 0 then .
  else [.[] | if type == "array" then flatten($depth - 1)[] else . end] end;
def join($s): join_list($s);
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1:][0];

def from_entries:
  reduce .[] as $x ({};
    . + { ($x | if .key == null then .k // .name // .Name // .K // .Key else .key end
              | if type == "string" then . else tojson end):
          ($x | if has("value") then .value elif has("v") then .v else .Value end) });
def with_entries(f): to_entries | map(f) | from_entries;
def delpaths($paths): reduce ($paths | sort | reverse | .[]) as $path (.; delete_path($path));
def del(f): delpaths([path(f)]);
def to_entries: [key_values[] as [$key, $value] | {$key, $value}];
def pick(f): . as $top | reduce path(f) as $path (null; setpath($path; $top | getpath($path)));
def leaf_paths: paths(scalars);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);

def match(re; flags): matches(re; flags)[] | .[0] + {captures: .[1:]};
def test(re; flags): matches(re; flags) | length > 0;
def capture_of_match: reduce (.[] | select(.name != null)) as $c ({}; . + {($c.name): $c.string});
def capture(re; flags): matches(re; flags)[] | .[1:] | capture_of_match;
def scan(re; flags): matches(re; "g" + flags)[] | if length > 1 then [.[1:][].string] else .[0].string end;
def split($sep):
  if type == "string" and ($sep | type) == "string" then . / $sep
  else error("split input and separator must be strings") end;
def split(re; flags): split_(re; "g" + flags);
def splits(re; flags): split(re; flags)[];
def sub(re; f; flags):
  reduce split_matches(re; flags)[] as $x
    (""; . + ($x | if type == "array" then .[1:] | capture_of_match | f else . end));
def gsub(re; f; flags): sub(re; f; "g" + flags);

def expression: if type == "array" then .[0] else . end;
def flags: if type == "array" then .[1] else null end;
def match($re):   match($re | expression; $re | flags);
def test($re):    test($re | expression; $re | flags);
def capture($re): capture($re | expression; $re | flags);
def scan($re):    scan($re | expression; $re | flags);
def splits($re):  splits($re; null);
def sub($re; f):  sub($re; f; "");
def gsub($re; f): sub($re; f; "g");

def ltrimstr($s): if type == "string" and ($s | type) == "string" and startswith($s) then .[$s | length:] else . end;
def rtrimstr($s): if type == "string" and ($s | type) == "string" and endswith($s) then .[:length - ($s | length)] else . end;

# The engine's native time filters overflow on months and seconds that no calendar has. Therefore
# the filters below check the time before they call the native ones.
def a_time:
  if type == "array" then .[1] | type == "number" and . >= 0 and . <= 11
  else type == "number" and . > -1e12 and . < 1e12 end;
def checked_time: if a_time then . else error("\(tojson) is no time") end;
def native_strftime($f): strftime($f);
def native_gmtime: gmtime;
def native_mktime: mktime;
def strftime($f): checked_time | native_strftime($f);
def gmtime: checked_time | native_gmtime;
def mktime: checked_time | native_mktime;
def todate:   if type == "array" then mktime else . end | todateiso8601;
def fromdate: fromdateiso8601;
def date:     todate;

def @text:    tostring;
def @json:    tojson;
def @html:    tostring | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;")
                       | gsub("'"; "&#39;") | gsub("\""; "&quot;");
def @uri:     tostring | encode_uri;
def @base64:  tostring | encode_base64;
def @base64d: tostring | decode_base64;
def @sh:
  [if type == "array" then .[] else . end
   | if type == "string" then "'\(escape_sh)'"
     elif type == "array" or type == "object" then error("\(type) (\(tojson)) can not be escaped for shell")
     else tojson end]
  | join(" ");
def row(text; sep):
  if type != "array" then error("\(type) (\(tojson)) cannot be formatted, only an array can be") else . end
  | map(if type == "string" then text
        elif . == null then ""
        elif type == "array" or type == "object" then error("\(type) (\(tojson)) is not valid in a row")
        else tojson end)
  | join(sep);
def @csv: row("\"" + gsub("\""; "\"\"") + "\""; ",");
def @tsv: row(gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r"); "\t");

# Filters for tickets, which jq does not have.
#
# Requires a part of an id or of a ticket's name. If a missing part were accepted, a text such as
# "null#5" would name a different ticket.
def required($name): if . == null or . == "" then error("\($name) is missing") else . end;
# Splits a text into a list, at English or Chinese commas or semicolons, and at white space.
def ticket_words: [. // "" | splits("[,;，；、\\s]+") | select(. != "")];
# Reads a yes-or-no field. Any other text is returned unchanged, and the request is then refused
# because of it.
def ticket_flag:
  if . == null or . == "" then null
  elif type == "string" then
    ascii_downcase as $flag
    | if any("true", "yes", "1"; . == $flag) then true elif any("false", "no", "0"; . == $flag) then false else . end
  else . end;
# Reads a length of time, a date or an instant, and returns the field of the request that says when
# the share ends. A date means its first instant in UTC.
def ticket_expiry:
  if . == null or . == "" then {}
  elif test("^[0-9]+[smhdw]$") then {expires_in: .}
  elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then {expires_at: "\(.)T00:00:00Z"}
  else {expires_at: .} end;
