-- Sends the requests of a file with wrk. In the file, ten digits before each request give its
-- length. With `once`, the script sends each request once, and wrk then waits until its time is
-- over. Otherwise the script starts again at the first request. Counts the answers that contain a
-- given text. If that text is empty, the answers are not searched, which saves time. Prints one
-- line of JSON.

local requests, at, once, threads = {}, 0, false, {}
good = 0

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  once = args[2] == "once"
  while true do
    local length = file:read(10)
    if not length then break end
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
  if args[3] ~= "" then
    response = function(_, _, body)
      if body:find(args[3], 1, true) then good = good + 1 end
    end
  end
end

function request()
  if at == #requests then
    if once then wrk.thread:stop() else at = 0 end
  end
  at = math.min(at + 1, #requests)
  return requests[at]
end

function done(summary, latency)
  local errors, seen = summary.errors, 0
  for _, thread in ipairs(threads) do seen = seen + thread:get("good") end
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "failed": %d, "good": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, seen))
end
