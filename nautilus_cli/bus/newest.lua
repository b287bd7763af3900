-- ARGV: streams. Answers the id of the newest entry of each, as JSON.

local found = {}
for at, name in ipairs(ARGV) do
  local newest = redis.call('XREVRANGE', name, '+', '-', 'COUNT', 1)
  found[at] = newest[1] and newest[1][1] or '0-0'
end
return cjson.encode(found)
