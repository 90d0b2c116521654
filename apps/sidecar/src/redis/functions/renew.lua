-- Prolongs the lease. A lease that has run out stays so: a renewal that was queued meanwhile must not revive it.
-- KEYS   1 clock
-- ARGV   1 epoch, 2 lease's end in Unix us, 3 this Redis's Unix us before anything vouched for it
-- Reply: the lease's end in Unix us
-- Errors: FENCED; OUTDATED what vouched for it is no longer true
register_write('renew', function(keys, args)
  local us = now_us()
  local why = fenced(keys[1], us)
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  local outdated = outdated_vouching(args[3], us)
  if outdated then return redis.error_reply(outdated) end
  claim.lease_end_us = math.max(claim.lease_end_us, tonumber(args[2]))
  return text(claim.lease_end_us)
end, { 'allow-oom' })
