-- Defines an index. Takes a position, which is its uid.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 index namespaces, 7 aliases of the namespace
-- ARGV   1 to 4 as every write, 5 namespace, 6 name, 7 the definition without its uid, JSON that begins with {"
-- Reply: as close_write
-- Errors: as open_write; INDEX_EXISTS an index or an alias has this name
register_write('create_index', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  if redis.call('HEXISTS', keys[5], args[6]) == 1 then return redis.error_reply('INDEX_EXISTS there is one of this name') end
  if redis.call('HEXISTS', keys[7], args[6]) == 1 then return redis.error_reply('INDEX_EXISTS an alias has this name') end
  local uid = text(write.epoch) .. '-' .. text(write.seq + 1)
  take_logged(write, 'create-index', uid, '')
  redis.call('HSET', keys[5], args[6], '{"uid":"' .. uid .. '",' .. string.sub(args[7], 2))
  redis.call('SADD', keys[6], args[5])
  return close_write(write)
end)
