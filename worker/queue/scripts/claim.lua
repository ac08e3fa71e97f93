-- CLAIM: takes jobs off the queues and starts them; at no instant is a job in no list and no registry.
-- The list is what waits; the lines beside it, one for each tenant and priority, say who of them is next. The line
-- with the lowest turn gives its oldest job and pays for it (start-time fair queueing: Goyal, Vin, Cheng 1996). What
-- is in no line was given back, reaped or enqueued by rq itself: it is taken when it is the first of the list.
-- KEYS: the worker's lease, its executions; then each queue's list and its started registry.
-- ARGV: rq's prefix, the worker, its lease in milliseconds, now as text, now in seconds, the entries' expiry in seconds,
--       the jobs in flight, the deaths from which a job runs alone and the deaths at which it is not run again,
--       how the keys of turns and of lines begin; then an execution's id for each free slot.
local prefix, worker, lease, now, seconds, expiry, in_flight, alone_from, most = unpack(ARGV, 1, 9)
local turns_prefix, lines_prefix = unpack(ARGV, 10, 11)
local free = #ARGV - 11
local claimed = {}

local function start(id, job, name, registry)
  local execution = ARGV[12 + #claimed]
  local entry = id .. ':' .. execution
  redis.call('HSET', job, 'status', 'started', 'started_at', now, 'last_heartbeat', now, 'worker_name', worker,
    'origin', name)
  redis.call('HDEL', job, 'meta', 'darkroom_deadline') -- an earlier run's progress; and it has started in time
  local attempt = redis.pcall('HINCRBY', job, 'darkroom_attempt', 1) -- an error halfway would lose the job
  redis.call('PERSIST', job)
  redis.call('HSET', prefix .. ':execution:' .. entry, 'id', execution, 'job_id', id, 'created_at', seconds,
    'last_heartbeat', seconds, 'worker_name', worker)
  redis.call('ZADD', prefix .. ':executions:' .. id, expiry, execution)
  redis.call('ZADD', registry, expiry + #claimed / 1000, entry) -- in the order in which they were taken
  redis.call('SADD', KEYS[2], entry)
  claimed[#claimed + 1] = {entry, redis.call('HGETALL', job)}
  tell(id, 'started', cjson.encode({attempt = tonumber(attempt) or 0}))
end

local function expire(id, job, name)
  redis.call('HSET', job, 'status', 'canceled', 'ended_at', now, 'darkroom_expired', 1)
  redis.call('EXPIRE', job, tonumber(redis.call('HGET', job, 'result_ttl')) or 86400)
  redis.call('ZADD', prefix .. ':canceled:' .. name, seconds, id)
  tell(id, 'expired', '{}')
end

local function step_out(turns, lines, line)
  redis.call('LPOP', lines .. line)
  if redis.call('EXISTS', lines .. line) == 0 then
    redis.call('ZREM', turns, line)
  end
end

-- The job that is next, and its line if it is in one. A line may begin with jobs that rq's own tools have taken away.
local function next_job(queue, turns, lines)
  local head = redis.call('LINDEX', queue, 0)
  if not head then
    for _, line in ipairs(redis.call('ZRANGE', turns, 0, -1)) do
      redis.call('DEL', lines .. line)
    end
    redis.call('DEL', turns)
    return
  end
  local line = redis.call('HGET', prefix .. ':job:' .. head, 'darkroom_line')
  if not line or redis.call('LINDEX', lines .. line, 0) ~= head then
    return head
  end
  line = redis.call('ZRANGE', turns, 0, 0)[1]
  while line do
    local id = redis.call('LINDEX', lines .. line, 0)
    if id and redis.call('HGET', prefix .. ':job:' .. id, 'status') == 'queued' then
      return id, line
    end
    step_out(turns, lines, line)
    line = redis.call('ZRANGE', turns, 0, 0)[1]
  end
  return head
end

if redis.call('EXISTS', prefix .. ':suspended') == 1 then
  return claimed
end
redis.call('SET', KEYS[1], now, 'PX', lease)
for at = 3, #KEYS, 2 do
  local name = string.sub(KEYS[at], #(prefix .. ':queue:') + 1)
  local turns, lines = turns_prefix .. name, lines_prefix .. name .. ':'
  while #claimed < free do
    local id, line = next_job(KEYS[at], turns, lines)
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
    if line then
      step_out(turns, lines, line)
    end
    local waits = redis.call('LREM', KEYS[at], 1, id) == 1 and status == 'queued'
    local valid = string.match(id, '^[%w_-]+$') and redis.call('HEXISTS', job, 'data') == 1
    if waits and valid then -- or else a duplicate, canceled, deleted or none of rq's
      if (tonumber(deadline) or math.huge) <= tonumber(seconds) then
        expire(id, job, name)
      else
        start(id, job, name, KEYS[at + 1])
        if line then
          redis.call('ZADD', turns, 'XX', 'INCR', string.match(line, '^%d+'), line)
        end
      end
    end
    if alone then
      return claimed
    end
  end
end
return claimed
