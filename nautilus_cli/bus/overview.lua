-- ARGV: what the names of streams begin with, the dead letters. Answers JSON, on one line.

local function pairs_of(flat)
  local found = {}
  for at = 1, #flat, 2 do
    found[flat[at]] = flat[at + 1]
  end
  return found
end

local names, cursor = {}, '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1] .. '*', 'COUNT', 1000, 'TYPE', 'stream')
  cursor = page[1]
  for _, name in ipairs(page[2]) do
    names[name] = true
  end
until cursor == '0'

local streams = {}
for name in pairs(names) do
  local groups = {}
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', name)) do
    groups[#groups + 1] = pairs_of(group)
  end
  local stream = { name = name, length = redis.call('XLEN', name), groups = groups }
  if #groups == 0 then
    stream.groups = nil
  end
  streams[#streams + 1] = stream
end
-- An empty table would be written as an object.
return #streams == 0 and '{"streams": [], "dead_letters": 0}' or cjson.encode({ streams = streams, dead_letters = redis.call('XLEN', ARGV[2]) })
