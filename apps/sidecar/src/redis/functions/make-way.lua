-- Makes way for the promotion of a region by an operator: for a while nobody claims this Redis but that region, and no
-- other promotion begins. A claim that another region holds here is given up in the same step, or it lives on and takes no
-- more writes, so that the clock stays what it is. It is kept in the memory of this process alone, so that replicas can do it;
-- a restart ends it.
-- KEYS   1 clock
-- ARGV   1 the region that is promoted, 2 the promotion's id, 3 for how long in us, 0 to end it ('*' for an id: any of that
--        region's), 4 this Redis's region, 5 'hold' to keep a claim and hold its writes, else it is given up
-- Reply: clock or '', 1 when a live claim was given up, else 0, 1 when the writes of a live claim are held, else 0
-- Errors: BUSY another region is being promoted
redis.register_function {
  function_name = 'PREFIX_make_way',
  callback = function(keys, args)
    local us = now_us()
    local hold_us = tonumber(args[3])
    local clock = redis.call('GET', keys[1]) or ''
    if hold_us == 0 then
      local mine = promotion.id == args[2] or (args[2] == '*' and promotion.region == args[1])
      if mine then promotion.until_us = math.min(promotion.until_us, us) end
      return { clock, 0, 0 }
    end
    if promotion.until_us > us and promotion.region ~= args[1] then
      return redis.error_reply('BUSY ' .. promotion.region .. ' is being promoted')
    end
    promotion.region, promotion.id, promotion.until_us = args[1], args[2], us + hold_us
    promotion.holds_writes = args[5] == 'hold' and args[1] ~= args[4]
    if args[1] == args[4] then return { clock, 0, 0 } end
    local live = fenced(keys[1], us) and 0 or 1
    if promotion.holds_writes then return { clock, 0, live } end
    claim.epoch = nil
    claim.released_us = us
    return { clock, live, 0 }
  end,
  flags = { 'no-writes', 'allow-stale' },
}
