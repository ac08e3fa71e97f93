-- A job as it is stored: its fields, its newest result if it has succeeded, and while it waits how many come before it.
local function read(prefix, id, turns, lines)
  local job = prefix .. ':job:' .. id
  local status, origin, line = unpack(redis.pcall('HMGET', job, 'status', 'origin', 'darkroom_line')) -- or no hash at all
  if not status then
    return
  end
  local newest, before = false, false
  if status == 'finished' then
    newest = redis.call('XREVRANGE', prefix .. ':results:' .. id, '+', '-', 'COUNT', 1)
  elseif status == 'queued' and origin then
    before = ahead(id, prefix .. ':queue:' .. origin, turns .. origin, lines .. origin .. ':', line)
  end
  return {redis.call('HGETALL', job), newest, before}
end
