-- Tells what happens to a job, in the script that makes it happen: in the job's stream, which is kept as long as the job
-- is, and on the channel of the same name. Whatever is wrong with the stream, the job goes its way.
local function tell(id, event, data)
  local stream = events .. id
  local entry = redis.pcall('XADD', stream, 'MAXLEN', '~', 1024, '*', 'type', event, 'data', data)
  if type(entry) == 'table' then
    return
  end
  redis.call('EXPIRE', stream, tonumber(redis.call('HGET', jobs .. id, 'result_ttl')) or 86400)
  redis.call('PUBLISH', stream, entry .. ' ' .. event .. ' ' .. data)
end
