-- ADMIT: saves a job and puts it at the end of its queue, once, if the queue and its tenant's share of it have room.
-- Beside the queue it joins its line; a new line's first turn comes when it would have come after one like it.
-- KEYS: the job, its queue, the set of all queues, the queue's turns, the job's line, the tenant's other lines.
-- ARGV: the job's id, the most jobs that may wait, the most of one tenant, the wake channel, the line, what a turn costs,
--       then the job's fields and values.
local id, most, most_of_one, wake, line, cost = unpack(ARGV, 1, 6)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'known'
end
if redis.call('LLEN', KEYS[2]) >= tonumber(most) then
  return 'full'
end
local waiting = 0
for at = 5, #KEYS do
  waiting = waiting + redis.call('LLEN', KEYS[at])
end
if waiting >= tonumber(most_of_one) then
  return 'share full'
end
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], id)
if redis.call('RPUSH', KEYS[5], id) == 1 then
  local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[4], (tonumber(first[2]) or 0) + cost, line)
end
redis.call('PUBLISH', wake, KEYS[2])
redis.call('DEL', events .. id) -- what an earlier job of this id has left
tell(id, 'queued', '{}')
return 'admitted'
