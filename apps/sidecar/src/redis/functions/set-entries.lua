-- Sets cache entries, all or none; each takes a position.
-- KEYS   1 to 4 as every write, 5 cleared, 6… entries
-- ARGV   1 to 4 as every write, 5 precondition of the first entry ('', 'present', 'absent', or '=' and a version), then for
--        each entry: value, content type, ttl in ms or '', expiry in Unix ms or ''
-- Reply: as close_write
-- Errors: as open_write; PRECONDITION
register_write('set_entries', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  if args[5] ~= '' then
    local header = redis.call('GETRANGE', keys[6], 0, HEADER_BYTES - 1)
    local version = visible_entry(header, redis.call('GET', keys[5]), write.us)
    local why = unmet(args[5], version)
    if why then return redis.error_reply(why) end
  end
  for i = 6, #keys do
    local a = 6 + (i - 6) * 4
    local value, content_type, ttl_ms, expires_ms = args[a], args[a + 1], args[a + 2], args[a + 3]
    local expires_us = 0
    if ttl_ms ~= '' then expires_us = write.us + tonumber(ttl_ms) * 1000 end
    if expires_ms ~= '' then expires_us = tonumber(expires_ms) * 1000 end
    take(write)
    local header = struct.pack(HEADER, 1, write.epoch, write.seq, write.us, expires_us, #content_type)
    if expires_us == 0 then
      redis.call('SET', keys[i], header .. content_type .. value)
    else
      local at_ms = text(math.ceil(expires_us / 1000) + SKEW_ALLOWANCE_MS)
      redis.call('SET', keys[i], header .. content_type .. value, 'PXAT', at_ms)
    end
  end
  return close_write(write)
end)
