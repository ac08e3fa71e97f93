-- POST: the outbox. Whoever is to be told of a job's end has a delivery made in the script that ends the job, so that it
-- is there exactly if the end is. It is a job of rq's own, in the courier's queue.
local function deliver(tenant, subject, event, at, endpoint, url)
  local index = outbox.index .. tenant
  local now = redis.call('TIME')
  local place = now[1] * 1e6 + now[2]
  place = math.max(place, (redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2] or 0) + 1) -- one for each delivery
  local id = 'msg_' .. redis.sha1hex(table.concat({subject, event, at, endpoint}, ' '))
  local delivery = {tenant = tenant, record_id = subject, event = event, at = at, endpoint = endpoint, url = url}
  redis.call('HSET', jobs .. id, 'data', cjson.encode({outbox.task, cjson.null, {delivery}, {}}),
    'origin', outbox.name, 'status', 'queued', 'created_at', at, 'enqueued_at', at, 'description', event,
    'timeout', outbox.timeout, 'result_ttl', outbox.keep, 'failure_ttl', outbox.keep_dead,
    'darkroom_tenant', tenant, 'darkroom_delivery', event)
  local trace = redis.call('HGET', jobs .. subject, 'darkroom_trace')
  if trace then
    redis.call('HSET', jobs .. id, 'darkroom_trace', trace)
  end
  redis.call('SADD', outbox.queues, outbox.queue)
  redis.call('RPUSH', outbox.queue, id)
  redis.call('ZADD', index, string.format('%.0f', place), id)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('%.0f', place - outbox.remember * 1e6))
  redis.call('EXPIRE', index, outbox.remember)
  if redis.call('ZCARD', index) > outbox.most then -- a receiver that is dead for days must not fill Redis
    local oldest = redis.call('ZPOPMIN', index)[1]
    redis.call('DEL', jobs .. oldest, outbox.results .. oldest)
  end
  redis.call('PUBLISH', outbox.wake, outbox.queue)
  return id
end

local function wants(events, event)
  return string.find(events, '"' .. event .. '"', 1, true)
end

local function post(id, event)
  local tenant, webhook, at = unpack(redis.call('HMGET', jobs .. id, 'darkroom_tenant', 'darkroom_webhook', 'ended_at'))
  if webhook and wants(webhook, event) then
    deliver(tenant, id, event, at, 'default', cjson.decode(webhook).url)
  end
  for _, endpoint in ipairs(tenant and redis.call('SMEMBERS', outbox.endpoints .. tenant) or {}) do
    local key = outbox.endpoint .. tenant .. ':' .. endpoint
    local events, disabled = unpack(redis.call('HMGET', key, 'events', 'disabled_at'))
    if events and not disabled and wants(events, event) then
      deliver(tenant, id, event, at, endpoint)
    end
  end
end
