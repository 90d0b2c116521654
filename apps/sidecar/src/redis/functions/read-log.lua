-- Reads the next entries of the change log, the chunks they name, and the clock.
-- KEYS   1 clock, 2 log, 3 forks, 4 cluster
-- ARGV   1 position to read after, 2 count, 0 for no entries, 3 what chunks' keys begin with, 4 bytes max; the first
--        entry's chunk is read whatever its size
-- Reply: clock, newest log entry's position, forks flat, entries as {position, op, uid, id, previous}, chunks as
--        {uid, id, fields…}, cluster id or false, how many entries the log has ever taken
-- Errors: with _fenced, FENCED
register_read('read_log', function(keys, args)
  local newest = redis.call('XREVRANGE', keys[2], '+', '-', 'COUNT', 1)[1]
  local added = 0
  if newest then
    local info = redis.call('XINFO', 'STREAM', keys[2])
    for i = 1, #info, 2 do
      if info[i] == 'entries-added' then added = info[i + 1] end
    end
  end
  local entries, chunks, seen = {}, {}, {}
  local left = tonumber(args[4])
  local rows = args[2] ~= '0' and redis.call('XRANGE', keys[2], '(' .. args[1], '+', 'COUNT', args[2]) or {}
  for _, row in ipairs(rows) do
    local f = row[2]
    local op, uid, id = f[2], f[4], f[6]
    local key = args[3] .. uid .. ':' .. id
    if op == 'upsert' and not seen[key] then
      local chunk = chunk_of(key)
      if chunk then
        left = left - #chunk[1] - #chunk[2] - #chunk[3]
        if left < 0 and #entries > 0 then break end
        chunks[#chunks + 1] = { uid, id, unpack(chunk) }
      end
      seen[key] = true
    end
    entries[#entries + 1] = { row[1], op, uid, id, f[8] }
  end
  return {
    redis.call('GET', keys[1]), newest and newest[1] or '0-0', redis.call('HGETALL', keys[3]), entries, chunks,
    redis.call('GET', keys[4]), added,
  }
end)
