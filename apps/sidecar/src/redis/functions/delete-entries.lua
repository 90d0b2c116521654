-- Deletes cache entries; each that was there takes a position.
-- KEYS   1 to 4 as every write, 5 cleared, 6… entries
-- ARGV   1 to 4 as every write, 5 precondition of the first entry ('', 'present', 'absent', or '=' and a version)
-- Reply: as close_write
-- Errors: as open_write; PRECONDITION
register_write('delete_entries', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local cleared = redis.call('GET', keys[5])
  if args[5] ~= '' then
    local version = visible_entry(redis.call('GETRANGE', keys[6], 0, HEADER_BYTES - 1), cleared, write.us)
    local why = unmet(args[5], version)
    if why then return redis.error_reply(why) end
  end
  for i = 6, #keys do
    local header = redis.call('GETRANGE', keys[i], 0, HEADER_BYTES - 1)
    if visible_entry(header, cleared, write.us) then take(write) end
    redis.call('DEL', keys[i])
  end
  return close_write(write)
end, { 'allow-oom' })
