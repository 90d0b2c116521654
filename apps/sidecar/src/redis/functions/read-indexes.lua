-- Reads definitions of indexes and aliases, of one namespace or of all, with the clock.
-- KEYS   1 clock, 2 index namespaces
-- ARGV   1 what the indexes' keys begin with, 2 what the aliases' keys begin with, 3 namespace, or '' for all
-- Reply: clock, then namespace, its hash of indexes and its hash of aliases, both flat, again and again
-- Errors: with _fenced, FENCED
register_read('read_indexes', function(keys, args)
  local namespaces = args[3] == '' and redis.call('SMEMBERS', keys[2]) or { args[3] }
  local reply = { redis.call('GET', keys[1]) }
  for _, namespace in ipairs(namespaces) do
    reply[#reply + 1] = namespace
    reply[#reply + 1] = redis.call('HGETALL', args[1] .. namespace)
    reply[#reply + 1] = redis.call('HGETALL', args[2] .. namespace)
  end
  return reply
end)
