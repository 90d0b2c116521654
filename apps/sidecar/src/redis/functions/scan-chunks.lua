-- Takes one step of a scan over the chunks of an index.
-- KEYS   1 clock
-- ARGV   1 cursor, 2 count, 3 what the index's chunks' keys begin with, 4 the same as a pattern, 5 '1' for all fields, '0'
--        to leave text, vector and metadata out
-- Reply: next cursor, clock, then chunks as {id, fields…}
-- Errors: with _fenced, FENCED
register_read('scan_chunks', function(keys, args)
  local page = redis.call('SCAN', args[1], 'MATCH', args[4], 'COUNT', args[2], 'TYPE', 'hash')
  local reply = { page[1], redis.call('GET', keys[1]) }
  for _, key in ipairs(page[2]) do
    local chunk = args[5] == '1' and chunk_of(key)
      or redis.call('HMGET', key, '-', '-', '-', 'tags', 'position', 'written', 'expires')
    if chunk[5] then reply[#reply + 1] = { string.sub(key, #args[3] + 1), unpack(chunk) } end
  end
  return reply
end)
