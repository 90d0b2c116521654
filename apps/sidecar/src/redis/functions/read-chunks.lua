-- Reads chunks up to a number of bytes, with the clock and the forks.
-- KEYS   1 clock, 2 forks, 3… chunks
-- ARGV   1 bytes max; the first chunk found is read whatever its size
--        2 '1' for all fields, '0' to leave text, vector and metadata out, '2' to leave only the vector out
-- Reply: clock, forks flat, then for each chunk its fields, false when there is none, or 1 when it was left unread
-- Errors: with _fenced, FENCED
register_read('read_chunks', function(keys, args)
  local left = tonumber(args[1])
  local whole = left
  local reply = { redis.call('GET', keys[1]), redis.call('HGETALL', keys[2]) }
  for i = 3, #keys do
    local bytes = #keys[i]
    if args[2] ~= '0' then
      bytes = bytes + redis.call('HSTRLEN', keys[i], 'text') + redis.call('HSTRLEN', keys[i], 'metadata')
    end
    if args[2] == '1' then bytes = bytes + redis.call('HSTRLEN', keys[i], 'vector') end
    if bytes > left and left < whole then
      reply[i] = 1
      left = 0
    else
      local fields = redis.call('HMGET', keys[i],
        args[2] ~= '0' and 'text' or '-', args[2] == '1' and 'vector' or '-', args[2] ~= '0' and 'metadata' or '-',
        'tags', 'position', 'written', 'expires')
      reply[i] = fields[5] and fields or false
      if fields[5] then left = left - bytes end
    end
  end
  return reply
end)
