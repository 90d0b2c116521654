-- Reads cache entries up to a number of bytes, with the exact clock they were read at.
-- KEYS   1 clock, 2 cleared, 3… entries
-- ARGV   1 bytes max; the first entry found is read whatever its size
-- Reply: clock, cleared, then for each entry its value, false when there is none, or 1 when it was left unread
-- Errors: with _fenced, FENCED
register_read('read_entries', function(keys, args)
  local left = tonumber(args[1])
  local whole = left
  local reply = { redis.call('GET', keys[1]), redis.call('GET', keys[2]) }
  for i = 3, #keys do
    local bytes = redis.call('STRLEN', keys[i]) + #keys[i]
    if bytes > left and left < whole then
      reply[i] = 1
      left = 0
    else
      reply[i] = redis.call('GET', keys[i])
      if reply[i] then left = left - bytes end
    end
  end
  return reply
end)
