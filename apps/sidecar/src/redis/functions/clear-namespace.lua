-- Forgets every entry of a namespace written before, at once: readers hide what isn't later than this position.
-- KEYS   1 to 4 as every write, 5 cleared, 6 clearing
-- ARGV   1 to 4 as every write, 5 namespace
-- Reply: as close_write
-- Errors: as open_write
register_write('clear_namespace', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  redis.call('SET', keys[5], take(write))
  redis.call('SADD', keys[6], args[5])
  return close_write(write)
end, { 'allow-oom' })
