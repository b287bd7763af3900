-- What handled messages cause, each message in one step with the mark that it was handled.
--
-- KEYS: the ids of handled messages (sorted by time), the changes of the state, their number.
-- ARGV: group, now, ids to remember, messages that a stream keeps, changes to keep; then for each message:
--   stream, entry, id, number of effects; then for each effect six words:
--   publish, stream, id, topic, time, payload
--   put, kind, key, version, document, expected version or ''
-- A put of its own has neither stream nor id.
-- Answers for each message 1 (done), 0 (a duplicate: nothing was done), -1 (another version is stored: not handled) or
-- -2 (an effect was refused, as by a key of another type: the message stays pending).

local ids, changes, number = KEYS[1], KEYS[2], KEYS[3]
local group, now, remembered, retained, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

local function stored(kind, key)
  local value = redis.call('HGET', 'nautilus:state:' .. kind, key)
  return value and tonumber(string.match(value, '^%d+')) or 0
end

local function conflicts(first, last)
  for at = first, last, 6 do
    if ARGV[at] == 'put' and ARGV[at + 5] ~= '' and stored(ARGV[at + 1], ARGV[at + 2]) ~= tonumber(ARGV[at + 5]) then
      return true
    end
  end
  return false
end

local function put(kind, key, version, document)
  if tonumber(version) <= stored(kind, key) then
    return
  end
  redis.call('HSET', 'nautilus:state:' .. kind, key, version .. ' ' .. document)
  redis.call('XADD', changes, 'MAXLEN', '~', kept, '*',
    'n', redis.call('INCR', number), 'k', kind, 'f', key, 'v', version, 'd', document)
end

local function apply(first, last)
  for at = first, last, 6 do
    if ARGV[at] == 'put' then
      put(ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
    else
      redis.call('XADD', ARGV[at + 1], 'MAXLEN', '~', retained, '*',
        'i', ARGV[at + 2], 't', ARGV[at + 3], 'a', ARGV[at + 4], 'd', ARGV[at + 5])
    end
  end
end

local outcomes, at = {}, 6
while at <= #ARGV do
  local stream, entry, id = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local first = at + 4
  local last = first + 6 * tonumber(ARGV[at + 3]) - 1
  local outcome = 1
  if id ~= '' and redis.call('ZSCORE', ids, id) then
    outcome = 0
  elseif conflicts(first, last) then
    outcome = -1
  elseif not pcall(apply, first, last) then
    outcome = -2
  elseif id ~= '' then
    redis.call('ZADD', ids, now, id)
  end
  if stream ~= '' and outcome >= 0 then
    redis.call('XACK', stream, group, entry)
  end
  outcomes[#outcomes + 1] = outcome
  at = last + 1
end
redis.call('ZREMRANGEBYRANK', ids, 0, -(remembered + 1))
return outcomes
