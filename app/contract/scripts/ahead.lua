-- How many jobs would CLAIM take before this one if no other came: by the turns of the lines, and first those that are
-- in no line. False for a job that is not in its queue. Who knows its place in its line, from 0 on, may say it.
local function ahead(id, queue, turns, lines, line, place)
  place = place or (line and redis.call('LPOS', lines .. line, id))
  if not place then
    return redis.call('LPOS', queue, id)
  end
  local own = (tonumber(redis.call('ZSCORE', turns, line)) or 0) + place * tonumber(string.match(line, '^%d+'))
  local before, in_lines = 0, 0
  local entries = redis.call('ZRANGE', turns, 0, -1, 'WITHSCORES')
  for at = 1, #entries, 2 do
    local other, length = entries[at], redis.call('LLEN', lines .. entries[at])
    local sooner = (own - tonumber(entries[at + 1])) / tonumber(string.match(other, '^%d+')) -- turns that begin before its own
    local count = math.ceil(sooner) + ((sooner == math.ceil(sooner) and other < line) and 1 or 0)
    before = before + math.max(0, math.min(length, count))
    in_lines = in_lines + length
  end
  return before + math.max(0, redis.call('LLEN', queue) - in_lines)
end
