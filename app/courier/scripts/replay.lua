-- REPLAY: has a delivery made now, with all its attempts before it; one that is being made goes its way.
-- KEYS: the registries that a delivery may be in while no courier has it. ARGV: its id, its tenant, now as text.
local id, tenant, now = unpack(ARGV)
local job = jobs .. id
local status, owner, event = unpack(redis.call('HMGET', job, 'status', 'darkroom_tenant', 'darkroom_delivery'))
if not event or owner ~= tenant then
  return 0
end
if status ~= 'queued' and status ~= 'started' then
  for _, registry in ipairs(KEYS) do
    redis.call('ZREM', registry, id)
  end
  redis.call('HSET', job, 'status', 'queued', 'enqueued_at', now, 'started_at', '', 'ended_at', '', 'darkroom_attempt', 0)
  redis.call('HDEL', job, 'darkroom_deaths')
  redis.call('PERSIST', job)
  redis.call('RPUSH', outbox.queue, id)
  redis.call('PUBLISH', outbox.wake, outbox.queue)
end
return 1
