-- Claims the right to write in a new epoch: records the fork, advances the clock, logs the claim, and sets the
-- locals last, so that a call that fails midway has claimed nothing. Seq goes on from where it was.
-- KEYS   1 clock, 2 log, 3 forks, 4 cluster, 5 appointment
-- ARGV   1 epoch, 2 lease's end in Unix us, 3 the clock the caller decided by ('' when empty), 4 cluster id to set
--        when there is none, 5 log entries max, 6 this Redis's Unix us before anything vouched for it, 7 this
--        Redis's region, 8 'appoint' when an operator promotes it: from then on it is the one to be claimed, 9 the
--        epoch of a live claim here that is superseded in this step, '' or left out for none
-- Reply: the new clock
-- Errors: JOIN a live claim is there already; CHANGED the clock, or the claim to be superseded, isn't the one decided by; STALE the epoch isn't
--        above the clock's; EXPIRED the lease would already be over; OUTDATED what vouched for it is no longer true;
--        BUSY another region is being promoted
register_write('claim', function(keys, args)
  local us = now_us()
  local clock = redis.call('GET', keys[1])
  local live = fenced(keys[1], us) and '' or text(claim.epoch)
  local superseded = args[9] or ''
  if live ~= '' and live ~= superseded then return redis.error_reply('JOIN epoch ' .. live .. ' is claimed') end
  if live ~= superseded then return redis.error_reply('CHANGED epoch ' .. superseded .. ' is claimed no more') end
  -- Under a live claim the clock goes on meanwhile.
  if superseded == '' and (clock or '') ~= args[3] then return redis.error_reply('CHANGED the clock is ' .. (clock or 'empty')) end
  local epoch, lease_end_us = tonumber(args[1]), tonumber(args[2])
  local old_epoch, seq = position_of(clock)
  if old_epoch and epoch <= old_epoch then return redis.error_reply('STALE epoch ' .. text(old_epoch) .. ' is known') end
  if us >= lease_end_us then return redis.error_reply('EXPIRED the lease is over') end
  local outdated = outdated_vouching(args[6], us)
  if outdated then return redis.error_reply(outdated) end
  if promotion.until_us > us and promotion.region ~= args[7] then
    return redis.error_reply('BUSY ' .. promotion.region .. ' is being promoted')
  end
  claim.epoch = nil
  local position = text(epoch) .. '-' .. text(seq or 0)
  if old_epoch then redis.call('HSET', keys[3], text(old_epoch), text(seq)) end
  redis.call('SET', keys[4], args[4], 'NX')
  append(keys[2], args[5], position, 'claim', '', '', newest_of(keys[2]))
  if args[8] == 'appoint' then redis.call('SET', keys[5], text(epoch) .. ' ' .. args[7]) end
  redis.call('SET', keys[1], position)
  promotion.region, promotion.ways = nil, {}
  settle_ways(us)
  claim.epoch, claim.newest, claim.lease_end_us = epoch, epoch, lease_end_us
  return position
end, { 'allow-oom' })
