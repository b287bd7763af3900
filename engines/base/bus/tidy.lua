-- Consumers that read no more and have nothing pending are forgotten.
--
-- KEYS: the stream. ARGV: group, idle milliseconds, a consumer that goes whatever its idle time, or ''.

local gone = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local found = {}
  for at = 1, #consumer, 2 do
    found[consumer[at]] = consumer[at + 1]
  end
  if found.pending == 0 and (found.idle >= tonumber(ARGV[2]) or found.name == ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], found.name)
    gone = gone + 1
  end
end
return gone
