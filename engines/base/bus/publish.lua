-- A batch of messages in one command with one answer.
--
-- ARGV: messages that a stream keeps; one array of MessagePack: for each message stream, id, topic, time, payload.
-- Answers the refusals alone: place (from 0) and reason, place and reason, ...

local retained, words, refused = ARGV[1], cmsgpack.unpack(ARGV[2]), {}
for at = 1, #words, 5 do
  local stored = redis.pcall('XADD', words[at], 'MAXLEN', '~', retained, '*',
    'i', words[at + 1], 't', words[at + 2], 'a', words[at + 3], 'd', words[at + 4])
  if type(stored) == 'table' and stored.err then
    refused[#refused + 1] = (at - 1) / 5
    refused[#refused + 1] = stored.err
  end
end
return refused
