-- Deletes an alias; the indexes it points at stay. Takes a position.
-- KEYS   1 to 4 as every write, 5 aliases of the namespace
-- ARGV   1 to 4 as every write, 5 namespace, 6 alias
-- Reply: as close_write
-- Errors: as open_write; ALIAS_NOT_FOUND
register_write('delete_alias', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  if redis.call('HEXISTS', keys[5], args[6]) == 0 then return redis.error_reply('ALIAS_NOT_FOUND there is none') end
  take_logged(write, 'delete-alias', '', args[5] .. '/' .. args[6])
  redis.call('HDEL', keys[5], args[6])
  return close_write(write)
end, { 'allow-oom' })
