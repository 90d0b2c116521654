-- Writes a timestamp, for measuring lag: the heartbeat, or a lag probe. Takes no position.
-- KEYS   1 clock, 2 heartbeat or probe
-- ARGV   1 epoch, 2 what stands before the timestamp; '' stands for the clock
-- Reply: Unix us
-- Errors: FENCED
register_write('heartbeat', function(keys, args)
  local us = now_us()
  local why = fenced(keys[1], us)
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  local label = args[2] == '' and redis.call('GET', keys[1]) or args[2]
  redis.call('SET', keys[2], label .. ' ' .. text(us))
  return text(us)
end, { 'allow-oom' })
