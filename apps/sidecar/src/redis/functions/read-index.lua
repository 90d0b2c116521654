-- Reads what a name stands for: an index, or the indexes that an alias of the name points at, with the clock.
-- KEYS   1 clock, 2 indexes of the namespace, 3 aliases of the namespace
-- ARGV   1 name
-- Reply: clock, the alias's definition or false, then the definitions of the indexes in the alias's order; none when
--        nothing has the name
-- Errors: with _fenced, FENCED
register_read('read_index', function(keys, args)
  local reply = { redis.call('GET', keys[1]), redis.call('HGET', keys[3], args[1]) }
  for _, name in ipairs(alias_indexes(keys[3], args[1]) or { args[1] }) do
    reply[#reply + 1] = redis.call('HGET', keys[2], name) or nil
  end
  return reply
end)
