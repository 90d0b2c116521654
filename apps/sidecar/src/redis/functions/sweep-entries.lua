-- Removes entries that a ClearNamespace already hides. Takes no position: nobody sees a difference.
-- KEYS   1 clock, 2 cleared, 3 clearing, 4… entries
-- ARGV   1 epoch, 2 namespace, 3 the clearing that the sweep is done with when these are the last, '' otherwise
-- Reply: how many were removed
-- Errors: FENCED
register_write('sweep_entries', function(keys, args)
  local why = fenced(keys[1], now_us())
  if why then return redis.error_reply(why) end
  if args[1] ~= text(claim.epoch) then return redis.error_reply('FENCED epoch ' .. text(claim.epoch) .. ' is claimed') end
  local cleared = redis.call('GET', keys[2])
  local removed = 0
  for i = 4, #keys do
    local header = redis.call('GETRANGE', keys[i], 0, HEADER_BYTES - 1)
    if #header > 0 and not visible_entry(header, cleared, 0) then removed = removed + redis.call('UNLINK', keys[i]) end
  end
  if cleared and args[3] == cleared then redis.call('SREM', keys[3], args[2]) end
  return removed
end, { 'allow-oom' })
