-- Tells of this Redis process's claim.
-- KEYS   1 clock, 2 appointment, may be left out
-- ARGV   none
-- Reply: claimed epoch or '', lease's end in Unix us, Unix us now, clock or '', why it is fenced or '', newest epoch
--        that this process has ever been claimed in or '', appointment or '', the region whose promotion this process
--        made way for last or '', until when in Unix us, until when without what is only being prepared
-- Errors: none
redis.register_function {
  function_name = 'PREFIX_status',
  callback = function(keys)
    local us = now_us()
    local epoch = claim.epoch and text(claim.epoch) or ''
    local newest = claim.newest and text(claim.newest) or ''
    local appointment = keys[2] and redis.call('GET', keys[2]) or ''
    return {
      epoch, text(claim.lease_end_us), text(us), redis.call('GET', keys[1]) or '', fenced(keys[1], us) or '', newest,
      appointment, promotion.region or '', text(promotion.until_us),
      text(promotion.handed_until_us),
    }
  end,
  flags = { 'no-writes', 'allow-stale' },
}
