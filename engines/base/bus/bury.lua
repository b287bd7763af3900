-- A message that was delivered too often goes to the dead letters, once, whoever finds it first.
--
-- KEYS: the stream, the dead letters. ARGV: group, entry, deliveries, the consumer that had it, letters to keep.

local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 or #found == 0 then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'stream', KEYS[1], 'group', ARGV[1], 'entry', ARGV[2],
  'deliveries', ARGV[3], 'consumer', ARGV[4], unpack(found[1][2]))
return 1
