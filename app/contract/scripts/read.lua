-- READ: one job, or whose it was if it was erased, or nothing.
-- KEYS: the job, its results, its mark of having been erased.
-- ARGV: rq's prefix, the job's id, how the keys of turns and of lines begin.
local prefix, id, turns, lines = unpack(ARGV)
return read(prefix, id, turns, lines) or redis.call('GET', KEYS[3])
