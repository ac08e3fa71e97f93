-- CANCEL: ends a queued or running job; a job that has ended stays as it is. It expires only if it has not started yet.
-- A running job's owner loses it here and now: it is woken to beat and see it, and its commit is refused.
-- KEYS: the job, its executions.
-- ARGV: rq's prefix, the job's id, now as text, now in seconds, the seconds to keep it, the wake channel,
--       1 if it expires or 0, how the keys of turns and of lines begin.
local prefix, id, now, seconds, retention, wake, expires, turns, lines = unpack(ARGV)
local status, origin, line, deadline = unpack(
  redis.call('HMGET', KEYS[1], 'status', 'origin', 'darkroom_line', 'darkroom_deadline'))
if not status then
  return 'unknown'
end
for _, ended in ipairs({'finished', 'failed', 'stopped', 'canceled'}) do
  if status == ended then
    return status
  end
end
if expires == '1' then
  if status ~= 'queued' or not deadline then
    return status
  end
  redis.call('HSET', KEYS[1], 'darkroom_expired', 1)
end

redis.call('LREM', prefix .. ':queue:' .. origin, 0, id)
redis.call('ZREM', prefix .. ':scheduled:' .. origin, id)
if line then
  local key = lines .. origin .. ':' .. line
  redis.call('LREM', key, 1, id)
  if redis.call('EXISTS', key) == 0 then
    redis.call('ZREM', turns .. origin, line)
  end
end
for _, execution in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local entry = id .. ':' .. execution
  local key = prefix .. ':execution:' .. entry
  local worker = redis.call('HGET', key, 'worker_name')
  if worker then
    redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', entry)
  end
  redis.call('ZREM', prefix .. ':wip:' .. origin, entry)
  redis.call('DEL', key)
end
redis.call('DEL', KEYS[2])

local canceled = prefix .. ':canceled:' .. origin
redis.call('HSET', KEYS[1], 'status', 'canceled', 'ended_at', now)
redis.call('EXPIRE', KEYS[1], retention)
redis.call('ZREMRANGEBYSCORE', canceled, '-inf', seconds - retention) -- rq never trims this registry
redis.call('ZADD', canceled, seconds, id)
redis.call('PUBLISH', wake, id)
tell(id, expires == '1' and 'expired' or 'canceled', '{}')
return 'canceled'
