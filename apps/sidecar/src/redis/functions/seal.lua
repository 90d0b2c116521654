-- Writes something small, so that the WAIT that follows on the same connection speaks for all that was written before.
-- Takes no position.
-- KEYS   1 clock, 2 seal
-- ARGV   1 epoch
-- Reply: 1
-- Errors: FENCED
register_write('seal', function(keys, args)
  local us = now_us()
  local why = fenced(keys[1], us)
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  redis.call('SET', keys[2], text(us))
  return 1
end, { 'allow-oom' })
