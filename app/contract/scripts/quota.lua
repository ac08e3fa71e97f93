-- What may be admitted with an API key. A quota names the key's set of live jobs and the counter of the pixels of its day;
-- it has the bounds that there are, and the job's pixels.

-- The bound that one more job would break, if any. Jobs that have ended are taken out of the set when it looks full.
local function broken_bound(quota, jobs)
  local most, most_queued = quota.max_jobs or math.huge, quota.max_queued or math.huge
  if redis.call('SCARD', quota.live) >= math.min(most, most_queued) then
    local queued = 0
    for _, id in ipairs(redis.call('SMEMBERS', quota.live)) do
      local status = redis.call('HGET', jobs .. id, 'status')
      if status == 'queued' or status == 'scheduled' then
        queued = queued + 1
      elseif status ~= 'started' then
        redis.call('SREM', quota.live, id)
      end
    end
    if redis.call('SCARD', quota.live) >= most then
      return 'max_jobs'
    elseif queued >= most_queued then
      return 'max_queued'
    end
  end
  local asked = (tonumber(redis.call('GET', quota.day)) or 0) + quota.pixels
  if asked > (quota.pixels_per_day or math.huge) then
    return 'pixels_per_day'
  end
end

local function charge(quota, id)
  if quota.max_jobs or quota.max_queued then
    redis.call('SADD', quota.live, id)
  end
  if quota.pixels_per_day then
    redis.call('INCRBY', quota.day, quota.pixels)
    redis.call('EXPIRE', quota.day, 172800) -- a day more, for clocks that differ
  end
end
