-- Tells what happens to a job, in the script that makes it happen: in the job's stream, which is kept as long as the job
-- is, and on the channel of the same name; and an end also to whoever wants it delivered. Whatever is wrong with these,
-- the job goes its way. Of a delivery, which is a job to rq, nothing is told. Ends and requeues are counted, each once.
local ends = {succeeded = true, failed = true, canceled = true, expired = true}

local function count(what, queue)
  redis.pcall('HINCRBY', tally, what .. ' ' .. (queue or ''), 1)
end

local function tell(id, event, data)
  local delivery, queue = unpack(redis.call('HMGET', jobs .. id, 'darkroom_delivery', 'origin'))
  if delivery then
    return
  end
  if event == 'requeued' then
    count('requeued ' .. cjson.decode(data).reason, queue)
  elseif ends[event] then
    count('ended ' .. event, queue)
    local is_posted, trouble = pcall(post, id, 'job.' .. event)
    if not is_posted then
      redis.log(redis.LOG_WARNING, 'The end of the job ' .. id .. ' is not delivered: ' .. cjson.encode(trouble))
    end
  end
  local stream = events .. id
  local entry = redis.pcall('XADD', stream, 'MAXLEN', '~', 1024, '*', 'type', event, 'data', data)
  if type(entry) == 'table' then
    return
  end
  redis.call('EXPIRE', stream, tonumber(redis.call('HGET', jobs .. id, 'result_ttl')) or 86400)
  redis.call('PUBLISH', stream, entry .. ' ' .. event .. ' ' .. data)
end
