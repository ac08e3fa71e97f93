-- REAP: puts the jobs of dead workers back at the front of their queues and counts the death against each.
-- KEYS: the caller's lease; then each queue's list and its started registry.
-- ARGV: rq's prefix, how our workers' names begin, how their leases' keys begin, the wake channel, now as text,
--       the caller's lease in milliseconds, or 0 to leave it as it is.
local prefix, ours, leases, wake, now, lease = unpack(ARGV)
if lease ~= '0' then
  redis.call('SET', KEYS[1], now, 'PX', lease) -- after a long pause it has run out, and the caller lives all the same
end
local reaped = {}
for at = 2, #KEYS, 2 do
  for _, entry in ipairs(redis.call('ZREVRANGE', KEYS[at + 1], 0, -1)) do -- the newest first, so the order stays
    local id, execution = string.match(entry, '^(.-):(.+)$')
    local job, key = prefix .. ':job:' .. id, prefix .. ':execution:' .. entry
    local worker = redis.call('HGET', key, 'worker_name')
    if worker and string.sub(worker, 1, #ours) == ours and redis.call('EXISTS', leases .. worker) == 0 then
      redis.call('ZREM', KEYS[at + 1], entry)
      redis.call('ZREM', prefix .. ':executions:' .. id, execution)
      redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', entry)
      redis.call('DEL', key)
      if redis.call('HGET', job, 'status') == 'started' then
        redis.call('HSET', job, 'status', 'queued', 'started_at', '', 'worker_name', '')
        redis.pcall('HINCRBY', job, 'darkroom_deaths', 1) -- an error halfway would lose the job
        redis.call('LPUSH', KEYS[at], id)
        redis.call('PUBLISH', wake, KEYS[at])
        reaped[#reaped + 1] = id
      end
    end
  end
end
return reaped
