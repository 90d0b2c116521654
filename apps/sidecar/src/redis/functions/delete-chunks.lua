-- Deletes chunks, of one index or of all indexes of an alias; each that was there takes a position. One that has expired
-- is deleted and not counted.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 expiring, 7 aliases of the namespace, 8… chunks, index by
--        index
-- ARGV   1 to 4 as every write, 5 index uids separated by commas, 6 their names likewise, or '' for a sweep, 7 the alias
--        they were named by or '', 8 '1' to delete expired ones only, '2' to leave those alone that aren't of the
--        version given, 9… ids, with '2' then as many versions, '*' for any
-- Reply: as close_write; found counts the ids that a reader could have seen
-- Errors: as open_write; INDEX_NOT_FOUND an index isn't there any more, or another one of that name; ALIAS_MOVED the
--         alias doesn't point at them any more
register_write('delete_chunks', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local uids, names = split(args[5]), split(args[6])
  for i, name in ipairs(names) do
    if index_uid(keys[5], name) ~= uids[i] then return redis.error_reply('INDEX_NOT_FOUND there is none, or another one') end
  end
  local moved = alias_moved(keys[7], args[7], names)
  if moved then return redis.error_reply(moved) end
  local count = (#keys - 7) / #uids
  local found, seen = 0, {}
  for i = 8, #keys do
    local place = (i - 8) % count
    local uid, id = uids[(i - 8 - place) / count + 1], args[9 + place]
    local expires = redis.call('HGET', keys[i], 'expires')
    local expired = expires and expires ~= '' and tonumber(expires) <= write.us
    local meant = expired or args[8] ~= '1'
    if args[8] == '2' then
      local version = args[9 + count + place]
      meant = version == '*' or redis.call('HGET', keys[i], 'position') == version
    end
    if expires and meant then
      take_logged(write, 'delete', uid, id)
      redis.call('DEL', keys[i])
      redis.call('ZREM', keys[6], uid .. ':' .. id)
      if not expired and not seen[id] then found = found + 1 end
      if not expired then seen[id] = true end
    elseif not expires then
      redis.call('ZREM', keys[6], uid .. ':' .. id)
    end
  end
  return close_write(write, found)
end, { 'allow-oom' })
