-- A batch of messages in one command with one answer.
--
-- ARGV: messages that a stream keeps; one array of MessagePack: for each message stream, id, topic, time, payload.
-- Answers the refusals alone: place (from 0) and reason, place and reason, ...
-- A stream is trimmed once for a batch: what stands in an XADD is written to the append-only file with each message.

local retained, words, refused, streams = ARGV[1], cmsgpack.unpack(ARGV[2]), {}, {}
for at = 1, #words, 5 do
  local stream = words[at]
  local stored = redis.pcall('XADD', stream, '*',
    'i', words[at + 1], 't', words[at + 2], 'a', words[at + 3], 'd', words[at + 4])
  if type(stored) == 'table' and stored.err then
    refused[#refused + 1] = (at - 1) / 5
    refused[#refused + 1] = stored.err
  else
    streams[stream] = true
  end
end
for stream in pairs(streams) do
  redis.call('XTRIM', stream, 'MAXLEN', '~', retained)
end
return refused
