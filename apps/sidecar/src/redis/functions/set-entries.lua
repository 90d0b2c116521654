-- Sets cache entries, all or none; each takes a position.
-- KEYS   1 to 4 as every write, 5 cleared, 6… entries
-- ARGV   1 to 4 as every write, 5 precondition of the first entry ('', 'present', 'absent', or '=' and a version), then for
--        each entry: value, content type, ttl in ms or '', expiry in Unix ms or ''
-- Reply: as close_write
-- Errors: as open_write; PRECONDITION
register_write('set_entries', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local why = unmet_of_entry(write, keys[5], keys[6], args[5])
  if why then return redis.error_reply(why) end
  for i = 6, #keys do
    local a = 6 + (i - 6) * 4
    set_entry(write, keys[i], args[a], args[a + 1], expiry_us(write, args[a + 2], args[a + 3]))
  end
  return close_write(write)
end)
