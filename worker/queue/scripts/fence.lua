-- FENCE: runs the commands, all of them, if the worker still owns the job. TELL is one of them: an event of the job.
-- An end that comes from a worker that has lost the job to another is stale; it is counted, and nothing else is done.
-- KEYS: the queue's started registry.
-- ARGV: the entry; then each command as the number of its words and its words.
local id, execution = string.match(ARGV[1], '^(.-):(.+)$')

local function is_stale()
  local status = redis.call('HGET', jobs .. id, 'status')
  if not status or status == 'canceled' or ARGV[3] == 'TELL' then
    return false -- the job was withdrawn, or it is no end
  end
  local newest = redis.call('XREVRANGE', outbox.results .. id, '+', '-', 'COUNT', 1)[1]
  for _, word in ipairs(newest and newest[2] or {}) do
    if word == execution then
      return false -- it is written: the reply was lost
    end
  end
  return true
end

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if is_stale() then
    count('stale', redis.call('HGET', jobs .. id, 'origin'))
  end
  return 0
end
local at = 2
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  if ARGV[at + 1] == 'TELL' then
    tell(unpack(ARGV, at + 2, at + words))
  else
    redis.call(unpack(ARGV, at + 1, at + words))
  end
  at = at + words + 1
end
return 1
