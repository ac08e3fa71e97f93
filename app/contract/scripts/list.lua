-- LIST: a tenant's jobs, the newest first, each with its place in the list. Those whose time is over leave it.
-- Answers also how many it has looked at.
-- KEYS: the tenant's jobs.
-- ARGV: rq's prefix, how the keys of turns and of lines begin, the highest place, the lowest, how many to look at.
local prefix, turns, lines, highest, lowest, most = unpack(ARGV)
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], highest, lowest, 'WITHSCORES', 'LIMIT', 0, most)
local found = {}
for at = 1, #entries, 2 do
  local id, place = entries[at], entries[at + 1]
  local job = read(prefix, id, turns, lines)
  if job then
    found[#found + 1] = {id, place, job}
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return {#entries / 2, found}
