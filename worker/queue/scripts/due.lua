-- DUE: moves the jobs whose time has come from the scheduled registries to their queues.
-- KEYS: for each queue its list, its scheduled registry, and the lock of rq's own scheduler, which goes first.
-- ARGV: rq's prefix, the wake channel, now as text, now in seconds, the most jobs to move from one registry.
local prefix, wake, now, seconds, most = unpack(ARGV)

local function enqueue(queue, job, id)
  local again_in_front, ended, in_front, ttl =
    unpack(redis.call('HMGET', job, 'enqueue_at_front_on_retry', 'ended_at', 'enqueue_at_front', 'ttl'))
  redis.call('HSET', job, 'status', 'queued', 'enqueued_at', now, 'started_at', '', 'ended_at', '')
  if ttl then
    redis.pcall('EXPIRE', job, ttl)
  else
    redis.call('PERSIST', job)
  end
  local first = in_front == '1' or (again_in_front == '1' and ended and ended ~= '')
  redis.call(first and 'LPUSH' or 'RPUSH', queue, id)
  redis.call('PUBLISH', wake, queue)
  tell(id, 'queued', '{}')
end

for at = 1, #KEYS, 3 do
  local queue, registry, lock = unpack(KEYS, at, at + 2)
  if redis.call('EXISTS', lock) == 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', registry, '-inf', seconds, 'LIMIT', 0, most)) do
      local job = prefix .. ':job:' .. id
      redis.call('ZREM', registry, id)
      if redis.call('HGET', job, 'status') == 'scheduled' then -- or else it was canceled or deleted meanwhile
        enqueue(queue, job, id)
      end
    end
  end
end
