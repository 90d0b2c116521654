-- Writes chunks whole, all or none; each takes a position. A chunk whose version isn't the expected one is left out.
-- KEYS   1 to 4 as every write, 5 indexes of the namespace, 6 expiring, 7 aliases of the namespace, 8… chunks
-- ARGV   1 to 4 as every write, 5 index uid, 6 index name, 7 the alias it was named by or '', then for each chunk: id,
--        text, vector, metadata, region tags, ttl in ms or '', then none, or for each chunk the version expected to be
--        there: '' for no chunk, '*' for whatever there is
-- Reply: as close_write
-- Errors: as open_write; INDEX_NOT_FOUND the index isn't there any more, or another one of that name; ALIAS_MOVED the
--         alias doesn't point at it any more
register_write('upsert_chunks', function(keys, args)
  local write, reply = open_write(keys, args)
  if not write then return reply end
  local uid = args[5]
  if index_uid(keys[5], args[6]) ~= uid then return redis.error_reply('INDEX_NOT_FOUND there is none, or another one') end
  local moved = alias_moved(keys[7], args[7], { args[6] })
  if moved then return redis.error_reply(moved) end
  local written_us, lasting = text(write.us), {}
  for i = 8, #keys do
    local a = 8 + (i - 8) * 6
    local id, ttl_ms = args[a], args[a + 5]
    local expected = args[8 + (#keys - 7) * 6 + i - 8] or '*'
    if expected == '*' or expected == chunk_version(keys[i], write.us) then
      local expires = ''
      if ttl_ms ~= '' then
        local expires_us = write.us + tonumber(ttl_ms) * 1000
        expires = text(expires_us)
        redis.call('ZADD', keys[6], text(expires_us / 1000), uid .. ':' .. id)
      else
        lasting[#lasting + 1] = uid .. ':' .. id
      end
      local position = take_logged(write, 'upsert', uid, id)
      redis.call('HSET', keys[i], 'text', args[a + 1], 'vector', args[a + 2], 'metadata', args[a + 3],
        'tags', args[a + 4], 'position', position, 'written', written_us, 'expires', expires)
    end
  end
  for i = 1, #lasting, 1000 do
    redis.call('ZREM', keys[6], unpack(lasting, i, math.min(i + 999, #lasting)))
  end
  return close_write(write)
end)
