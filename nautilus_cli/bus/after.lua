-- ARGV: for each stream its name and an entry. Answers what came after it, as JSON: {{stream, {entry, fields}}, ...}.

local found = {}
for at = 1, #ARGV, 2 do
  for _, entry in ipairs(redis.call('XRANGE', ARGV[at], '(' .. ARGV[at + 1], '+', 'COUNT', 500)) do
    found[#found + 1] = { ARGV[at], entry }
  end
end
return #found == 0 and '[]' or cjson.encode(found)
