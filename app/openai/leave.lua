-- LEAVE: changes a job's mark, or forgets the job, unless another request has come for it.
-- KEYS: the jobs of this body.   ARGV: the job's id, its mark, the new mark or nothing.
local id, mark, new = unpack(ARGV)
if redis.call('HGET', KEYS[1], id) ~= mark then
  return 0
end
if new == '' then
  redis.call('HDEL', KEYS[1], id)
else
  redis.call('HSET', KEYS[1], id, new)
end
return 1
