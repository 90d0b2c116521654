-- Sets cache entries of one namespace, each for itself: as so many calls of set_entries with one entry each, in one step.
-- KEYS   1 clock, 2 log, 3 done-times, 4 cleared, then for each entry: the entry, done key (done-times again when there is no
--        request id)
-- ARGV   1 the epoch the caller takes for claimed, 2 log entries max, then for each entry: deadline in Unix ms, '0' or with a
--        request id a short hash of the body, precondition as of set_entries, value, content type, ttl in ms or '', expiry in
--        Unix ms or ''
-- Reply: for each entry what set_entries replies, or a text: the error that it replies
local function set_one(keys, args, k, a)
  local write_keys = { keys[1], keys[2], keys[3], keys[k + 1] }
  local write, reply = open_write(write_keys, { args[1], args[a], args[a + 1], args[2] })
  if not write then return reply.err or reply end
  local why = unmet_of_entry(write, keys[4], keys[k], args[a + 2])
  if why then return why end
  set_entry(write, keys[k], args[a + 3], args[a + 4], args[a + 5], args[a + 6])
  return close_write(write)
end

register_write('set_each', function(keys, args)
  local replies = {}
  for i = 1, (#keys - 4) / 2 do
    local done, reply = pcall(set_one, keys, args, 3 + 2 * i, 7 * i - 4)
    if not done then reply = type(reply) == 'table' and reply.err or tostring(reply) end
    replies[i] = reply
  end
  return replies
end)
