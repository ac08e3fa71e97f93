-- REAP: puts the jobs of dead workers back at the front of their queues and counts the death against each.
-- A job that was there when too many died becomes the caller's, who is to fail it.
-- KEYS: the caller's lease, its executions; then each queue's list and its started registry.
-- ARGV: rq's prefix, how our workers' names begin, how their leases' keys begin, the wake channel, now as text,
--       the caller, the deaths at which a job is not run again,
--       the caller's lease in milliseconds, or 0 to leave it as it is.
local prefix, ours, leases, wake, now, caller, most, lease = unpack(ARGV)
if lease ~= '0' then
  redis.call('SET', KEYS[1], now, 'PX', lease) -- after a long pause it has run out, and the caller lives all the same
end

local function adopt(job, id, registry, entry, execution, deaths)
  local own = execution .. '-' .. deaths -- by the old one a worker that was only paused could still commit
  local key = prefix .. ':execution:' .. id .. ':' .. own
  redis.call('HSET', job, 'worker_name', caller)
  redis.call('RENAME', prefix .. ':execution:' .. entry, key)
  redis.call('HSET', key, 'id', own, 'worker_name', caller)
  local expiry = redis.call('ZSCORE', registry, entry)
  redis.call('ZADD', prefix .. ':executions:' .. id, expiry, own)
  redis.call('ZADD', registry, expiry, id .. ':' .. own)
  redis.call('SADD', KEYS[2], id .. ':' .. own)
end

local function give_back(job, id, queue)
  redis.call('HSET', job, 'status', 'queued', 'enqueued_at', now, 'started_at', '', 'worker_name', '')
  redis.call('LPUSH', queue, id)
  redis.call('PUBLISH', wake, queue)
  tell(id, 'requeued', '{"reason":"worker_lost"}')
end

local reaped = {}
for at = 3, #KEYS, 2 do
  for _, entry in ipairs(redis.call('ZREVRANGE', KEYS[at + 1], 0, -1)) do -- the newest first, so the order stays
    local id, execution = string.match(entry, '^(.-):(.+)$')
    local job, key = prefix .. ':job:' .. id, prefix .. ':execution:' .. entry
    local worker = redis.call('HGET', key, 'worker_name')
    if worker and string.sub(worker, 1, #ours) == ours and redis.call('EXISTS', leases .. worker) == 0 then
      redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', entry)
      local has_run = redis.call('HGET', job, 'status') == 'started'
      if has_run then
        redis.pcall('HINCRBY', job, 'darkroom_deaths', 1) -- an error halfway would lose the job
        reaped[#reaped + 1] = id
      end
      local deaths = tonumber(redis.call('HGET', job, 'darkroom_deaths') or 0) or 0
      if has_run and deaths >= tonumber(most) then
        adopt(job, id, KEYS[at + 1], entry, execution, deaths)
      elseif has_run then
        give_back(job, id, KEYS[at])
      end
      redis.call('ZREM', KEYS[at + 1], entry)
      redis.call('ZREM', prefix .. ':executions:' .. id, execution)
      redis.call('DEL', key)
    end
  end
end
return reaped
