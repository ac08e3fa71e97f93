-- BEAT: renews the worker's lease and writes how far its jobs are; answers whether rq knows the worker,
-- and which entries the worker has lost.
-- KEYS: the worker's lease, its announcement, its hash, its executions.
-- ARGV: rq's prefix, the lease in milliseconds, the announcement, the worker's state, now as text, now in seconds,
--       the seconds for which rq remembers the worker; then for each job its queue, its entry, and its meta and progress or nothing.
local prefix, lease, announcement, state, now, seconds, remembered = unpack(ARGV, 1, 7)
redis.call('SET', KEYS[1], now, 'PX', lease)
redis.call('SET', KEYS[2], announcement, 'PX', lease)
local known = redis.call('HEXISTS', KEYS[3], 'birth')
if known == 1 then
  redis.call('HSET', KEYS[3], 'state', state, 'last_heartbeat', now)
  redis.call('EXPIRE', KEYS[3], remembered)
else
  redis.call('DEL', KEYS[3])
end

local lost = {}
for at = 8, #ARGV, 4 do
  local queue, entry, meta, progress = unpack(ARGV, at, at + 3)
  local id, execution = string.match(entry, '^(.-):(.+)$')
  local job, key, registry = prefix .. ':job:' .. id, prefix .. ':execution:' .. entry, prefix .. ':wip:' .. queue
  if redis.call('ZSCORE', registry, entry) and redis.call('EXISTS', job) == 1 then
    redis.call('HSET', job, 'last_heartbeat', now)
    redis.call('HSET', key, 'last_heartbeat', seconds)
    if meta ~= '' then
      redis.call('HSET', job, 'meta', meta)
      tell(id, 'progress', progress)
    end
  else
    redis.call('ZREM', registry, entry) -- rq's own cancel and delete leave some of these
    redis.call('ZREM', prefix .. ':executions:' .. id, execution)
    redis.call('SREM', KEYS[4], entry)
    redis.call('DEL', key)
    lost[#lost + 1] = entry
  end
end
return {known, lost}
