-- wrk with real rows: how many answers a second a closed loop can have at most, and the share of each status.
--
--   wrk -t2 -c32 -d10s --latency -s loadtest/wrk.lua http://127.0.0.1:8080
--   wrk -t2 -c32 -d10s --latency -s loadtest/wrk.lua http://127.0.0.1:8080 -- digits
--   wrk -t2 -c32 -d10s --latency -s loadtest/wrk.lua http://10.0.0.5:8080 -- fraud rows.jsonl
--
-- After `--` come the model (else the server's default) and a file with a row of JSON on each line (else the examples
-- that the server shows, which takes curl). wrk's latencies count from when a request was sent: while a server stalls
-- nothing is sent, so that a stall is counted once. `chorus bench --rate` counts what users would have waited.

local threads = {}

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

local function get(path)
   local url = string.format("%s://%s:%s%s", wrk.scheme, wrk.host, wrk.port or 80, path)
   assert(not url:find("'", 1, true), "a quote in a name")
   local pipe = assert(io.popen("curl -sf '" .. url .. "'"))
   local body = pipe:read("*a")
   pipe:close()
   return body
end

local function failed(words)
   io.stderr:write("wrk.lua: " .. words .. "\n")
   os.exit(1)
end

local function rows_of(model, file)
   local rows = {}
   if file then
      for line in assert(io.open(file)):lines() do
         if line:find("%S") then table.insert(rows, line) end
      end
   else  -- the debug routes have more of them than the index, and are only there for whom the server trusts
      local examples = get("/debug/backends/" .. model .. "/examples"):match('"instances"%s*:%s*(%b[])')
      if not examples then
         local _, at = get("/"):find('"' .. model:gsub("%p", "%%%0") .. '"%s*:%s*{')
         examples = at and get("/"):match('"instances"%s*:%s*(%b[])', at)
      end
      for row in (examples or ""):sub(2):gmatch("%b[]") do table.insert(rows, row) end
   end
   if #rows == 0 then failed("no rows for " .. model .. "; is the server up? Or name a file: -- MODEL rows.jsonl") end
   return rows
end

function init(args)
   local model = args[1] or get("/"):match('"default"%s*:%s*"([^"]*)"')
   if not model then failed("the server says no default; name a model: -- MODEL") end
   local headers = { ["Content-Type"] = "application/json" }
   requests, at, counts = {}, number, {}
   for _, row in ipairs(rows_of(model, args[2])) do
      local body = '{"instances":[' .. row .. "]}"
      table.insert(requests, wrk.format("POST", "/v1/models/" .. model .. ":predict", headers, body))
   end
end

function request()
   at = at + 1
   return requests[at % #requests + 1]
end

function response(status, _, body)
   local said = status == 200 and body:match('"status"%s*:%s*"(%a+)"') or "HTTP " .. status
   counts[said] = (counts[said] or 0) + 1
end

function done()
   local total, sums = 0, {}
   for _, thread in ipairs(threads) do
      for said, count in pairs(thread:get("counts")) do
         sums[said] = (sums[said] or 0) + count
         total = total + count
      end
   end
   io.write("Answers by status:\n")
   for said, count in pairs(sums) do
      io.write(string.format("  %-10s %8d  %6.2f %%\n", said, count, 100 * count / total))
   end
end
