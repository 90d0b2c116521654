-- Drops an index; its chunks are swept later. Takes a position.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 index namespaces, 7 dropped, 8 aliases of the namespace
-- ARGV   1 to 4 as every write, 5 namespace, 6 name
-- Reply: as close_write
-- Errors: as open_write; INDEX_NOT_FOUND; INDEX_IN_USE and the names of the aliases that point at it
register_write('drop_index', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local uid = index_uid(keys[5], args[6])
  if not uid then return redis.error_reply('INDEX_NOT_FOUND there is none, or another one') end
  local users = {}
  for _, alias in ipairs(redis.call('HKEYS', keys[8])) do
    for _, name in ipairs(alias_indexes(keys[8], alias)) do
      if name == args[6] then users[#users + 1] = alias end
    end
  end
  if #users > 0 then return redis.error_reply('INDEX_IN_USE ' .. table.concat(users, ', ')) end
  take_logged(write, 'drop-index', uid, '')
  redis.call('HDEL', keys[5], args[6])
  if redis.call('EXISTS', keys[5]) == 0 then redis.call('SREM', keys[6], args[5]) end
  redis.call('SADD', keys[7], uid)
  return close_write(write)
end, { 'allow-oom' })
