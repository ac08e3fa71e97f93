-- FENCE: runs the commands, all of them, if the worker still owns the job.
-- KEYS: the queue's started registry.
-- ARGV: the entry; then each command as the number of its words and its words.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
local at = 2
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + words + 1
end
return 1
