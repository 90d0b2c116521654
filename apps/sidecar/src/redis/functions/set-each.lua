-- Sets cache entries of one namespace, each for itself: as so many calls of set_entries with one entry each, in one step. What
-- they share is done once: the claim is checked, the clock read and set, first answers looked up and remembered.
-- KEYS   1 clock, 2 log, 3 done, 4 the done before, 5 cleared, 6… entries
-- ARGV   1 the epoch the caller takes for claimed, then runs of entries that have the same deadline in Unix ms, ttl in ms or '',
--        expiry in Unix ms or '', precondition as of set_entries, and content type: these five and how many there are, then for each
--        of them: '0', or with a request id a short hash of the body; the request id's name or ''; value
-- Reply: the epoch and Unix microseconds, separated by a blank; then for each entry the seq that it took, a number; or as a text
--        what set_entries replied to its request id first, separated by blanks; or the error that it replies
-- Errors: FENCED, for all of them
local function set_one(write, run, key, body, name, value)
  local first = name ~= '' and write.answers[name]
  local why, answer = answered_at_once(write.us, run.deadline_ms, body, first)
  why = why or not answer and unmet_of_entry(write, write.keys[5], key, run.condition)
  if why or answer then return why or answer end
  set_entry(write, key, value, run.content_type, run.expires_us)
  if name ~= '' then
    answer = body .. write.answer_start .. text(write.seq) .. write.answer_end
    write.answers[name] = answer
    write.done[#write.done + 1] = name
    write.done[#write.done + 1] = answer
  end
  return write.seq
end

-- The runs of the arguments, with the place of the first entry's own arguments.
local function runs_of(write, args)
  local runs, names, a = {}, {}, 2
  while a <= #args do
    local run = {
      deadline_ms = tonumber(args[a]), expires_us = expiry_us(write, args[a + 1], args[a + 2]), condition = args[a + 3],
      content_type = args[a + 4], first = a + 6, last = a + 3 + 3 * tonumber(args[a + 5]),
    }
    runs[#runs + 1] = run
    for n = run.first + 1, run.last + 1, 3 do
      if args[n] ~= '' then names[#names + 1] = args[n] end
    end
    a = run.last + 3
  end
  return runs, names
end

register_write('set_each', function(keys, args)
  local us = now_us()
  local refusal = refused(keys[1], args[1], us)
  if refusal then return redis.error_reply(refusal) end
  local epoch, seq = position_of(redis.call('GET', keys[1]))
  local write = { keys = keys, us = us, epoch = epoch, before = seq, seq = seq, done = {}, answers = {} }
  write.answer_start, write.answer_end = ' ' .. text(epoch) .. ' ', ' 1 ' .. text(us) .. ' 1'
  local runs, names = runs_of(write, args)
  if #names > 0 then write.answers = first_answers(keys[3], keys[4], names) end
  local replies = { text(epoch) .. ' ' .. text(us) }
  for _, run in ipairs(runs) do
    for a = run.first, run.last, 3 do
      local done, reply = pcall(set_one, write, run, keys[#replies + 5], args[a], args[a + 1], args[a + 2])
      if not done then reply = type(reply) == 'table' and reply.err or tostring(reply) end
      replies[#replies + 1] = reply
    end
  end
  set_clock(write)
  if #write.done > 0 then remember(keys[3], keys[4], us, write.done) end
  return replies
end)
