-- FENCE: runs the commands, all of them, if the worker still owns the job. TELL is one of them: an event of the job.
-- KEYS: the queue's started registry.
-- ARGV: the entry; then each command as the number of its words and its words.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
local at = 2
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  if ARGV[at + 1] == 'TELL' then
    tell(unpack(ARGV, at + 2, at + words))
  else
    redis.call(unpack(ARGV, at + 1, at + words))
  end
  at = at + words + 1
end
return 1
