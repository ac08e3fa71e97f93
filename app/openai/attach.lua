-- ATTACH: gives a retry the job of an earlier request with the same body, and any other request a job of its own.
-- Two requests with equal bodies are two jobs: a retry gets the newest that nobody attends, else the newest.
-- KEYS: the jobs of this body: by id, when a request last came and who attends it ("-" before the one who left).
-- ARGV: 1 for a retry or 0, the id of a new job, who attends it, seconds in which a retry may come.
-- Returns the job's id and the mark under which it is attended.
local is_retry, id, attendant, keep = unpack(ARGV)
local now = tonumber(redis.call('TIME')[1])
local best = -1
local jobs = is_retry == '1' and redis.call('HGETALL', KEYS[1]) or {}
for at = 1, #jobs, 2 do
  local came, left = jobs[at + 1]:match('^(%d+) (%-?)')
  local rank = tonumber(came) + (left == '-' and now or 0)
  if now - tonumber(came) > tonumber(keep) then
    redis.call('HDEL', KEYS[1], jobs[at])
  elseif rank > best then
    id, best = jobs[at], rank
  end
end
local mark = now .. ' ' .. attendant
redis.call('HSET', KEYS[1], id, mark)
redis.call('EXPIRE', KEYS[1], keep)
return {id, mark}
