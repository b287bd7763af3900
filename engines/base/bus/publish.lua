-- A batch of messages in one command with one answer.
--
-- ARGV: messages that a stream keeps; then for each message: stream, id, topic, time, payload.
-- Answers the refusals alone: place (from 0) and reason, place and reason, ...

local retained, refused = ARGV[1], {}
for at = 2, #ARGV, 5 do
  local stored = redis.pcall('XADD', ARGV[at], 'MAXLEN', '~', retained, '*',
    'i', ARGV[at + 1], 't', ARGV[at + 2], 'a', ARGV[at + 3], 'd', ARGV[at + 4])
  if type(stored) == 'table' and stored.err then
    refused[#refused + 1] = (at - 2) / 5
    refused[#refused + 1] = stored.err
  end
end
return refused
