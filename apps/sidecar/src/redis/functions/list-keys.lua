-- Takes one step of a scan over cache entries; gives keys with the first bytes of their values.
-- KEYS   1 clock, 2 cleared
-- ARGV   1 cursor, or '' to look up the left over only, 2 pattern, 3 count, 4… keys left over from an earlier step, looked up as well
-- Reply: clock, cleared, next cursor, key, header, key, header…
-- Errors: with _fenced, FENCED
register_read('list_keys', function(keys, args)
  local page = { '0', {} }
  if args[1] ~= '' then
    page = redis.call('SCAN', args[1], 'MATCH', args[2], 'COUNT', args[3], 'TYPE', 'string')
  end
  local reply = { redis.call('GET', keys[1]), redis.call('GET', keys[2]), page[1] }
  local seen = {}
  local function add(key)
    if seen[key] then return end
    seen[key] = true
    reply[#reply + 1] = key
    reply[#reply + 1] = redis.call('GETRANGE', key, 0, HEADER_BYTES - 1)
  end
  for i = 4, #args do add(args[i]) end
  for _, key in ipairs(page[2]) do add(key) end
  return reply
end)
