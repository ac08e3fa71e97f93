-- ADMIT: saves a job and puts it at the end of its queue, once, if the queue and its tenant's share of it have room.
-- Beside the queue it joins its line; a new line's first turn comes when it would have come after one like it.
-- Answers as READ does, or why it was not admitted.
-- KEYS: the job, its mark of having been erased, its queue, the set of all queues, the queue's turns, its tenant's jobs,
--       the job's line, the tenant's other lines.
-- ARGV: the job's id, the most jobs that may wait, the most of one tenant, the wake channel, the line, what a turn costs,
--       now in microseconds, the seconds to keep the tenant's jobs, the quota of the caller's key in JSON or nothing;
--       then the job's fields and values; without them nothing is written, and it is only asked whether there is room.
local id, most, most_of_one, wake, line, cost, now, kept, quota = unpack(ARGV, 1, 9)
local job, mark, queue, queues, turns, own = unpack(KEYS)
if redis.call('EXISTS', job) == 1 then
  return 'known'
end
if redis.call('EXISTS', mark) == 1 then
  return 'erased'
end
if redis.call('LLEN', queue) >= tonumber(most) then
  return 'full'
end
local waiting = 0
for at = 7, #KEYS do
  waiting = waiting + redis.call('LLEN', KEYS[at])
end
if waiting >= tonumber(most_of_one) then
  return 'share full'
end
quota = quota ~= '' and cjson.decode(quota)
local broken = quota and broken_bound(quota, jobs)
if broken then
  return 'quota ' .. broken
end
if #ARGV == 9 then
  return 'room'
end
if quota then
  charge(quota, id)
end
redis.call('HSET', job, unpack(ARGV, 10))
redis.call('SADD', queues, queue)
redis.call('RPUSH', queue, id)
local length = redis.call('RPUSH', KEYS[7], id)
if length == 1 then
  local first = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')
  redis.call('ZADD', turns, (tonumber(first[2]) or 0) + cost, line)
end

-- Later than all before it, whatever the clocks say: who reads the list backwards meets each job once.
local newest = tonumber(redis.call('ZREVRANGE', own, 0, 0, 'WITHSCORES')[2]) or 0
redis.call('ZADD', own, string.format('%.0f', math.max(tonumber(now), newest + 1)), id)
redis.call('EXPIRE', own, kept)
for _, some in ipairs(redis.call('ZRANDMEMBER', own, 4)) do
  if redis.call('EXISTS', jobs .. some) == 0 then
    redis.call('ZREM', own, some) -- four looks for one new job: those whose time is over stay a minority
  end
end

redis.call('PUBLISH', wake, queue)
redis.call('DEL', events .. id) -- what an earlier job of this id has left
tell(id, 'queued', '{}')
local lines = string.sub(KEYS[7], 1, -1 - #line)
return {redis.call('HGETALL', job), false, ahead(id, queue, turns, lines, line, length - 1)}
