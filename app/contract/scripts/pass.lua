-- PASS: lets one request of a key pass, if its rate allows it. A key may have sent a minute's requests at once; then one
-- more is allowed whenever a minute's share of one is over (GCRA, the token bucket that needs one number).
-- KEYS: when the key will have caught up with its rate, in milliseconds.
-- ARGV: the requests per minute.
-- Returns whether the request passes (1 or 0), how many more may pass now, and in how many seconds one more and all may.
local share = 60000 / ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local caught_up = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now)
local passes = caught_up + share / 2 - now <= 60000 -- half a share is more than all roundings
if passes then
  caught_up = caught_up + share
  redis.call('SET', KEYS[1], string.format('%.3f', caught_up), 'PX', math.max(1, math.ceil(caught_up - now)))
end
local left = math.floor((60000 - (caught_up - now)) / share + 0.5)
local wait = math.max(0, caught_up + share - now - 60000)
return {passes and 1 or 0, left, math.ceil(wait / 1000), math.ceil((caught_up - now) / 1000)}
