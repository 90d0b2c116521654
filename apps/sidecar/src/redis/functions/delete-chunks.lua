-- Deletes chunks; each that was there takes a position. One that has expired is deleted and not counted.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 expiring, 7… chunks
-- ARGV   1 to 4 as every write, 5 index uid, 6 index name, or '' for a sweep, 7 '1' to delete expired ones only, '2' to
--        leave those alone that aren't of the version given, 8… ids, with '2' then as many versions
-- Reply: as close_write; found counts those that a reader could have seen
-- Errors: as open_write; INDEX_NOT_FOUND the index isn't there any more, or another one of that name
register_write('delete_chunks', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local uid = args[5]
  if args[6] ~= '' and index_uid(keys[5], args[6]) ~= uid then return redis.error_reply('INDEX_NOT_FOUND there is none, or another one') end
  local found = 0
  for i = 7, #keys do
    local id = args[8 + i - 7]
    local expires = redis.call('HGET', keys[i], 'expires')
    local expired = expires and expires ~= '' and tonumber(expires) <= write.us
    local meant = expired or args[7] ~= '1'
    if args[7] == '2' then meant = redis.call('HGET', keys[i], 'position') == args[8 + #keys - 6 + i - 7] end
    if expires and meant then
      take_logged(write, 'delete', uid, id)
      redis.call('DEL', keys[i])
      redis.call('ZREM', keys[6], uid .. ':' .. id)
      if not expired then found = found + 1 end
    elseif not expires then
      redis.call('ZREM', keys[6], uid .. ':' .. id)
    end
  end
  return close_write(write, found)
end, { 'allow-oom' })
