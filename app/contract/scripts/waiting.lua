-- WAITING: how many jobs wait in some queues, and since when the first of them, by what their turns cost.
-- KEYS: for each queue its list and its turns.
-- ARGV: how the keys of jobs, of queues and of lines begin, the cost for what was never in a line.
-- Answers for each queue with the costs that there are, each with its number and its time or nothing.
local jobs, queues, all_lines, usual = unpack(ARGV)
local answer = {}
for at = 1, #KEYS, 2 do
  local queue, numbers, since = KEYS[at], {}, {}

  local function add(cost, number, first)
    numbers[cost] = (numbers[cost] or 0) + number
    local enqueued_at = redis.call('HGET', jobs .. first, 'enqueued_at')
    if enqueued_at and (not since[cost] or enqueued_at < since[cost]) then
      since[cost] = enqueued_at
    end
  end

  local lines, in_no_line = all_lines .. string.sub(queue, #queues + 1) .. ':', redis.call('LLEN', queue)
  for _, line in ipairs(redis.call('ZRANGE', KEYS[at + 1], 0, -1)) do
    local number = redis.call('LLEN', lines .. line)
    if number > 0 then
      add(string.match(line, '^%d+'), number, redis.call('LINDEX', lines .. line, 0))
      in_no_line = in_no_line - number
    end
  end
  if in_no_line > 0 then -- they were given back, and so are the first
    for _, id in ipairs(redis.call('LRANGE', queue, 0, in_no_line - 1)) do
      add(string.match(redis.call('HGET', jobs .. id, 'darkroom_line') or usual, '^%d+'), 1, id)
    end
  end

  local found = {}
  for cost, number in pairs(numbers) do
    found[#found + 1] = {cost, number, since[cost] or ''}
  end
  answer[#answer + 1] = found
end
return answer
