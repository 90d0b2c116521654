-- Gives the claim up.
-- KEYS   1 clock
-- ARGV   1 epoch
-- Reply: 1 when it was held, 0 when it wasn't
-- Errors: none
register_write('release', function(_, args)
  if not claim.epoch or args[1] ~= text(claim.epoch) then return 0 end
  claim.epoch = nil
  return 1
end, { 'allow-oom' })
