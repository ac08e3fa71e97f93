-- CLAIM: takes jobs off the queues and starts them; at no instant is a job in no list and no registry.
-- KEYS: the worker's lease, its executions; then each queue's list and its started registry.
-- ARGV: rq's prefix, the worker, its lease in milliseconds, now as text, now in seconds, the entries' expiry in seconds,
--       the jobs in flight, the deaths from which a job runs alone and the deaths at which it is not run again;
--       then an execution's id for each free slot.
local prefix, worker, lease, now, seconds, expiry, in_flight, alone_from, most = unpack(ARGV, 1, 9)
local free = #ARGV - 9
local claimed = {}

local function start(id, job, queue, registry)
  local execution = ARGV[10 + #claimed]
  local entry = id .. ':' .. execution
  redis.call('HSET', job, 'status', 'started', 'started_at', now, 'last_heartbeat', now, 'worker_name', worker,
    'origin', string.sub(queue, #(prefix .. ':queue:') + 1))
  redis.call('HDEL', job, 'meta') -- an earlier run's progress
  redis.pcall('HINCRBY', job, 'darkroom_attempt', 1) -- an error halfway would lose the job
  redis.call('PERSIST', job)
  redis.call('HSET', prefix .. ':execution:' .. entry, 'id', execution, 'job_id', id, 'created_at', seconds,
    'last_heartbeat', seconds, 'worker_name', worker)
  redis.call('ZADD', prefix .. ':executions:' .. id, expiry, execution)
  redis.call('ZADD', registry, expiry + #claimed / 1000, entry) -- in the order in which they were taken
  redis.call('SADD', KEYS[2], entry)
  claimed[#claimed + 1] = {entry, redis.call('HGETALL', job)}
end

local function expire(id, job, queue)
  redis.call('HSET', job, 'status', 'canceled', 'ended_at', now, 'darkroom_expired', 1)
  redis.call('EXPIRE', job, tonumber(redis.call('HGET', job, 'result_ttl')) or 86400)
  redis.call('ZADD', prefix .. ':canceled:' .. string.sub(queue, #(prefix .. ':queue:') + 1), seconds, id)
end

if redis.call('EXISTS', prefix .. ':suspended') == 1 then
  return claimed
end
redis.call('SET', KEYS[1], now, 'PX', lease)
for at = 3, #KEYS, 2 do
  while #claimed < free do
    local id = redis.call('LINDEX', KEYS[at], 0)
    if not id then
      break
    end
    local job = prefix .. ':job:' .. id
    local status, deaths, deadline = unpack(redis.call('HMGET', job, 'status', 'darkroom_deaths', 'darkroom_deadline'))
    deaths = tonumber(deaths or 0) or 0
    local alone = deaths >= tonumber(alone_from) and deaths < tonumber(most)
    if alone and in_flight + #claimed > 0 then
      return claimed -- this worker takes nothing more, so that it is soon empty
    end
    redis.call('LPOP', KEYS[at])
    local valid = string.match(id, '^[%w_-]+$') and redis.call('HEXISTS', job, 'data') == 1
    if status == 'queued' and valid then -- or else a duplicate, canceled, deleted or none of rq's
      if (tonumber(deadline) or math.huge) <= tonumber(seconds) then
        expire(id, job, KEYS[at])
      else
        start(id, job, KEYS[at], KEYS[at + 1])
      end
    end
    if alone then
      return claimed
    end
  end
end
return claimed
