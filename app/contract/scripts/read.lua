-- READ: some jobs; for each what is stored of it, or whose it was if it was erased, or nothing.
-- KEYS: for each job its hash, its results, its mark of having been erased.
-- ARGV: rq's prefix, how the keys of turns and of lines begin; then the jobs' ids.
local prefix, turns, lines = unpack(ARGV, 1, 3)
local found = {}
for at = 4, #ARGV do
  found[#found + 1] = read(prefix, ARGV[at], turns, lines) or redis.call('GET', KEYS[3 * (at - 3)])
end
return found
