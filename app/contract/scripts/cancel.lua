-- CANCEL: ends a queued or running job; a job that has ended stays as it is. It expires only if it has not started yet.
-- KEYS: the job.
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

withdraw(prefix, id, origin, line, turns, lines)
local canceled = prefix .. ':canceled:' .. origin
redis.call('HSET', KEYS[1], 'status', 'canceled', 'ended_at', now)
redis.call('EXPIRE', KEYS[1], retention)
redis.call('ZREMRANGEBYSCORE', canceled, '-inf', seconds - retention) -- rq never trims this registry
redis.call('ZADD', canceled, seconds, id)
redis.call('PUBLISH', wake, id)
tell(id, expires == '1' and 'expired' or 'canceled', '{}')
return 'canceled'
