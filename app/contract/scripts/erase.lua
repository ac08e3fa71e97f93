-- ERASE: takes all that is known of a job out of Redis, whatever it is doing, and leaves a mark that it was there.
-- KEYS: the job, its results, its mark, its events, its tenant's jobs.
-- ARGV: rq's prefix, the job's id, its tenant, now as text, the seconds to keep the mark, the wake channel,
--       how the keys of turns and of lines begin.
local prefix, id, tenant, now, retention, wake, turns, lines = unpack(ARGV)
local status, origin, line = unpack(redis.call('HMGET', KEYS[1], 'status', 'origin', 'darkroom_line'))
if not status then
  return
end
withdraw(prefix, id, origin, line, turns, lines)
if status == 'queued' or status == 'started' or status == 'scheduled' then
  redis.call('HSET', KEYS[1], 'status', 'canceled', 'ended_at', now)
  tell(id, 'canceled', '{}') -- who listens is to hear of an end
end
for _, registry in ipairs({'finished', 'failed', 'canceled'}) do
  redis.call('ZREM', prefix .. ':' .. registry .. ':' .. origin, id)
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
redis.call('ZREM', KEYS[5], id)
redis.call('SET', KEYS[3], tenant, 'EX', retention)
redis.call('PUBLISH', wake, id)
