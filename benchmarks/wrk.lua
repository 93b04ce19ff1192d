-- Sends the bodies of a file in turn, and prints what was measured as one line of JSON.
--
--     wrk -s benchmarks/wrk.lua ... URL -- FILE
--
-- FILE holds for each body its length in decimal, a line end, and the body itself.

local requests, at = {}, 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.method = "POST"
   while true do
      local length = file:read("*n")
      if not length then break end
      file:read(1)
      requests[#requests + 1] = wrk.format(nil, nil, nil, file:read(length))
   end
   file:close()
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local counts = {}
   for index = 1, #latency do
      local micros, count = latency(index)
      counts[index] = string.format("[%d,%d]", micros, count)
   end
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"micros":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"counts":[%s]}\n',
      summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
      table.concat(counts, ",")))
end
