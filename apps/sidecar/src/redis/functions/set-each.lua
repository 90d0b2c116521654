-- Sets cache entries of one namespace, each for itself: as so many calls of set_entries with one entry each, in one step. What
-- they share is done once: the claim is checked, the clock read and set.
-- KEYS   1 clock, 2 log, 3 done-times, 4 cleared, then for each entry: the entry, done key (done-times again when there is no
--        request id)
-- ARGV   1 the epoch the caller takes for claimed, then for each entry: deadline in Unix ms, '0' or with a request id a short hash
--        of the body, ttl in ms or '', expiry in Unix ms or '', separated by blanks; precondition as of set_entries; value;
--        content type
-- Reply: for each entry the parts of what set_entries replies, separated by blanks; or the error that it replies
-- Errors: FENCED, for all of them
local function set_one(write, args, key, done_key, a)
  local deadline_ms, body, ttl_ms, expires_ms = string.match(args[a], '^(%d+) (%w+) (%d*) (%d*)$')
  local at_once = answered_at_once(write.us, deadline_ms, body, done_key)
  if at_once then return at_once end
  local why = unmet_of_entry(write, write.keys[4], key, args[a + 1])
  if why then return why end
  local before = write.seq
  set_entry(write, key, args[a + 2], args[a + 3], ttl_ms, expires_ms)
  local reply = answer_of(write, before)
  if body ~= '0' then
    remember(done_key, body, reply)
    write.done[#write.done + 1] = text(write.us / 1000)
    write.done[#write.done + 1] = done_key
  end
  return reply
end

register_write('set_each', function(keys, args)
  local us = now_us()
  local why = refused(keys[1], args[1], us)
  if why then return redis.error_reply(why) end
  local epoch, seq = position_of(redis.call('GET', keys[1]))
  local write = { keys = keys, us = us, epoch = epoch, before = seq, seq = seq, done = {} }
  local replies = {}
  for i = 1, (#keys - 4) / 2 do
    local done, reply = pcall(set_one, write, args, keys[3 + 2 * i], keys[4 + 2 * i], 4 * i - 2)
    if not done then reply = type(reply) == 'table' and reply.err or tostring(reply) end
    replies[i] = type(reply) == 'table' and table.concat(reply, ' ') or reply
  end
  set_clock(write)
  if #write.done > 0 then redis.call('ZADD', keys[3], unpack(write.done)) end
  return replies
end)
