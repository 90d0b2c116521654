-- Points an alias at indexes, whatever it pointed at before. Takes a position.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 aliases of the namespace
-- ARGV   1 to 4 as every write, 5 namespace, 6 alias, then for each index: name, uid
-- Reply: as close_write
-- Errors: as open_write; INDEX_EXISTS an index has the alias's name; INDEX_NOT_FOUND an index isn't there any more, or
--         another one of that name
register_write('put_alias', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  if redis.call('HEXISTS', keys[5], args[6]) == 1 then return redis.error_reply('INDEX_EXISTS there is one of this name') end
  local names = {}
  for i = 7, #args, 2 do
    if index_uid(keys[5], args[i]) ~= args[i + 1] then
      return redis.error_reply('INDEX_NOT_FOUND there is none, or another one')
    end
    names[#names + 1] = args[i]
  end
  local position = take_logged(write, 'put-alias', '', args[5] .. '/' .. args[6])
  redis.call('HSET', keys[6], args[6],
    '{"position":"' .. position .. '","indexes":["' .. table.concat(names, '","') .. '"]}')
  return close_write(write)
end)
