-- ADMIT: saves a job and puts it at the end of its queue, once, if the queue has room.
-- KEYS: the job, its queue, the set of all queues.
-- ARGV: the job's id, the most jobs that may wait, the wake channel, then the job's fields and values.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'known'
end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[2]) then
  return 'full'
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[3], KEYS[2])
return 'admitted'
