-- Reads one index definition, with the clock.
-- KEYS   1 clock, 2 indexes of the namespace
-- ARGV   1 name
-- Reply: clock, definition or false
-- Errors: with _fenced, FENCED
register_read('read_index', function(keys, args)
  return { redis.call('GET', keys[1]), redis.call('HGET', keys[2], args[1]) }
end)
