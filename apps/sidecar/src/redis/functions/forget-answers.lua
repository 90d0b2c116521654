-- Forgets first answers of request ids that are old enough, where no write does it. Takes no position.
-- KEYS   1 clock, 2 done, 3 the done before
-- ARGV   1 epoch
-- Reply: 1
-- Errors: FENCED
register_write('forget_answers', function(keys, args)
  local us = now_us()
  local why = refused(keys[1], args[1], us)
  if why then return redis.error_reply(why) end
  turn_answers_over(keys[2], keys[3], us)
  local before = tonumber(redis.call('HGET', keys[3], '') or us)
  if us - before >= 2 * DONE_US and redis.call('EXISTS', keys[2]) == 0 then redis.call('UNLINK', keys[3]) end
  return 1
end, { 'allow-oom' })
