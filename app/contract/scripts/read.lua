-- READ: jobs as they are stored. For each its fields, its newest result if it has succeeded, and while it waits how many
-- come before it; or whose it was, if it was erased; or nothing.
-- KEYS: for each job its hash, its results, its mark of having been erased.
-- ARGV: rq's prefix, how the keys of turns and of lines begin.
local prefix, turns, lines = unpack(ARGV)

local function read(job, results, mark)
  local status, origin, line = unpack(redis.call('HMGET', job, 'status', 'origin', 'darkroom_line'))
  if not status then
    return redis.call('GET', mark)
  end
  local newest, before = false, false
  if status == 'finished' then
    newest = redis.call('XREVRANGE', results, '+', '-', 'COUNT', 1)
  elseif status == 'queued' and origin then
    local id = string.sub(job, #prefix + 6)
    before = ahead(id, prefix .. ':queue:' .. origin, turns .. origin, lines .. origin .. ':', line)
  end
  return {redis.call('HGETALL', job), newest, before}
end

local found = {}
for at = 1, #KEYS, 3 do
  found[#found + 1] = read(KEYS[at], KEYS[at + 1], KEYS[at + 2])
end
return found
