-- Forgets first answers of request ids. Takes no position.
-- KEYS   1 clock, 2 done-times, 3… done keys
-- ARGV   1 epoch, 2 those remembered before this Unix ms
-- Reply: how many were forgotten
-- Errors: FENCED
register_write('forget_answers', function(keys, args)
  local why = fenced(keys[1], now_us())
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  local forgotten = 0
  for i = 3, #keys do
    local at = redis.call('ZSCORE', keys[2], keys[i])
    if at and tonumber(at) <= tonumber(args[2]) then
      redis.call('DEL', keys[i])
      forgotten = forgotten + redis.call('ZREM', keys[2], keys[i])
    end
  end
  return forgotten
end, { 'allow-oom' })
