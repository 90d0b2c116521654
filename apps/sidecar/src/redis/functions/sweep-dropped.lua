-- Removes chunks of a dropped index. Takes no position: nobody can name them any more.
-- KEYS   1 clock, 2 dropped, 3 expiring, 4… chunks
-- ARGV   1 epoch, 2 index uid, 3 '1' when these are the last, 4… ids
-- Reply: how many were removed
-- Errors: FENCED; INDEX_EXISTS when the index wasn't dropped
register_write('sweep_dropped', function(keys, args)
  local why = fenced(keys[1], now_us())
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  if redis.call('SISMEMBER', keys[2], args[2]) == 0 then return redis.error_reply('INDEX_EXISTS there is one of this name') end
  local removed = 0
  for i = 4, #keys do
    removed = removed + redis.call('UNLINK', keys[i])
    redis.call('ZREM', keys[3], args[2] .. ':' .. args[i])
  end
  if args[3] == '1' then redis.call('SREM', keys[2], args[2]) end
  return removed
end, { 'allow-oom' })
