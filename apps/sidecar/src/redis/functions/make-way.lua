-- Makes way for the promotion of a region by an operator: for a while nobody claims this Redis but that region, and no
-- other region's promotion begins. A claim that another region holds here is given up in the same step, or it lives on and
-- takes no more writes, so that the clock stays what it is. Two promotions of one region, by two of its sidecars, have a way
-- each: what either relies on is never ended, shortened or weakened by the other. It is kept in the memory of this process
-- alone, so that replicas can do it; a restart ends it.
-- KEYS   1 clock
-- ARGV   1 the region that is promoted, 2 the promotion's id, 3 for how long in us, 0 to end it ('*' for an id: any of that
--        region's), 4 this Redis's region, 5 'hold' to keep a claim and hold its writes, 'prepare' at the
--        promoted region itself while nothing is handed over yet, else a claim is given up
-- Reply: clock or '', 1 when a live claim was given up, else 0, 1 when the writes of a live claim are held, else 0
-- Errors: BUSY another region is being promoted
redis.register_function {
  function_name = 'PREFIX_make_way',
  callback = function(keys, args)
    local us = now_us()
    local region, id, hold_us = args[1], args[2], tonumber(args[3])
    local clock = redis.call('GET', keys[1]) or ''
    if hold_us == 0 then
      if id == '*' and promotion.region == region then promotion.ways = {} end
      promotion.ways[id] = nil
      settle_ways(us)
      return { clock, 0, 0 }
    end
    if promotion.until_us > us and promotion.region ~= region then
      return redis.error_reply('BUSY ' .. promotion.region .. ' is being promoted')
    end
    settle_ways(us)
    local before = promotion.ways[id] or { until_us = 0, lets_go = false }
    promotion.region, promotion.is_here = region, region == args[4]
    promotion.ways[id] = {
      until_us = math.max(before.until_us, us + hold_us), lets_go = before.lets_go or args[5] ~= 'hold',
      prepares = args[5] == 'prepare',
    }
    settle_ways(us)
    if promotion.is_here then return { clock, 0, 0 } end
    local live = fenced(keys[1], us) and 0 or 1
    if promotion.holds_writes then return { clock, 0, live } end
    claim.epoch = nil
    claim.released_us = us
    return { clock, live, 0 }
  end,
  flags = { 'no-writes', 'allow-stale' },
}
