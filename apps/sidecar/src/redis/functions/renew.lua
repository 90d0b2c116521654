-- Prolongs the lease. A lease that has run out stays so: a renewal that was queued meanwhile must not revive it.
-- KEYS   1 clock
-- ARGV   1 epoch, 2 lease's end in Unix us
-- Reply: the lease's end in Unix us
-- Errors: FENCED
register_write('renew', function(keys, args)
  local why = fenced(keys[1], now_us())
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  claim.lease_end_us = math.max(claim.lease_end_us, tonumber(args[2]))
  return text(claim.lease_end_us)
end, { 'allow-oom' })
