-- Gives the claim up, and sees to it that nothing that vouched for this Redis until now is enough to claim it again:
-- once this has answered, another Redis may be claimed.
-- KEYS   1 clock
-- ARGV   1 epoch, or '*' for whichever is claimed
-- Reply: 1 when it was held, 0 when it wasn't
-- Errors: none
register_write('release', function(_, args)
  local us = now_us()
  if claim.epoch and args[1] ~= '*' and args[1] ~= text(claim.epoch) then return 0 end
  claim.released_us = us
  local held = claim.epoch and 1 or 0
  claim.epoch = nil
  return held
end, { 'allow-oom' })
