-- Takes a job out of its queue and of its worker's hands. A running job's owner loses it here and now: its commit is
-- refused, and once it is woken to beat it sees it.
local function withdraw(prefix, id, origin, line, turns, lines)
  redis.call('LREM', prefix .. ':queue:' .. origin, 0, id)
  redis.call('ZREM', prefix .. ':scheduled:' .. origin, id)
  if line then
    local key = lines .. origin .. ':' .. line
    redis.call('LREM', key, 1, id)
    if redis.call('EXISTS', key) == 0 then
      redis.call('ZREM', turns .. origin, line)
    end
  end
  local executions = prefix .. ':executions:' .. id
  for _, execution in ipairs(redis.call('ZRANGE', executions, 0, -1)) do
    local entry = id .. ':' .. execution
    local key = prefix .. ':execution:' .. entry
    local worker = redis.call('HGET', key, 'worker_name')
    if worker then
      redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', entry)
    end
    redis.call('ZREM', prefix .. ':wip:' .. origin, entry)
    redis.call('DEL', key)
  end
  redis.call('DEL', executions)
end
