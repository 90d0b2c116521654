-- What all functions share. The claim lives in these locals: in the memory of this one Redis process, never
-- persisted, never replicated, and gone when the library is loaded again. So a restarted or promoted Redis
-- knows of no claim and refuses every write.

-- `newest` outlives a release and a lease: the newest epoch that this process was claimed in.
local claim = { epoch = nil, newest = nil, lease_end_us = 0, released_us = 0, last_us = 0 }
-- The region whose promotion by an operator this Redis makes way for, or made way for last: see make-way.lua. `ways`: by the
-- promotion's id, until when, whether a claim has to be given up for it, and whether it is only being prepared; the other
-- fields are what follows from these. While `holds_writes`, a claim here lives on and takes no new writes.
local promotion = {
  region = nil, is_here = false, ways = {}, until_us = 0, handed_until_us = 0, holds_writes = false,
}

-- Numbers up to 2^53 as text; `..` would give 1e+14.
local function text(number)
  return string.format('%.0f', number)
end

-- This Redis's clock in Unix microseconds. When it goes back, leases can't be told apart: the claim is dropped. Ways that are made
-- last as long as they were to, and those that were over stay so.
local function now_us()
  local time = redis.call('TIME')
  local us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  if us + 1000 < claim.last_us then
    claim.epoch = nil
    claim.released_us = us
    local back_us = claim.last_us - us
    for _, way in pairs(promotion.ways) do way.until_us = way.until_us - back_us end
    promotion.until_us = promotion.until_us - back_us
    promotion.handed_until_us = promotion.handed_until_us - back_us
  end
  claim.last_us = us
  return us
end

-- What follows from the ways that aren't over.
local function settle_ways(us)
  local until_us, handed_until_us, lets_go = 0, 0, promotion.is_here
  for id, way in pairs(promotion.ways) do
    if way.until_us <= us then
      promotion.ways[id] = nil
    else
      until_us = math.max(until_us, way.until_us)
      if not way.prepares then handed_until_us = math.max(handed_until_us, way.until_us) end
      lets_go = lets_go or way.lets_go
    end
  end
  promotion.until_us, promotion.handed_until_us, promotion.holds_writes = until_us, handed_until_us, not lets_go
end

-- The parts of a list that is separated by commas; none of an empty text.
local function split(list)
  local parts = {}
  for part in string.gmatch(list, '[^,]+') do parts[#parts + 1] = part end
  return parts
end

-- Epoch and seq of a position's text; nothing for anything else.
local function position_of(position)
  if not position then return nil end
  local epoch, seq = string.match(position, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(seq)
end

-- Why this Redis may not write now, or nothing when its claim is live.
local function fenced(clock_key, us)
  if not claim.epoch then return 'FENCED this Redis process holds no claim' end
  if us >= claim.lease_end_us then return 'FENCED the claim\'s lease ran out' end
  if position_of(redis.call('GET', clock_key)) ~= claim.epoch then
    return 'FENCED the clock is of another epoch than the claim'
  end
  return nil
end

-- Why what vouched for this Redis, no earlier than at `vouched` by its own clock, isn't enough any more, or nothing.
local function outdated_vouching(vouched, us)
  local vouched_us = tonumber(vouched or '') or us
  if vouched_us > us + 1000 then return 'OUTDATED the clock of this Redis has gone back' end
  if vouched_us < claim.released_us then return 'OUTDATED the claim was given up after that' end
  return nil
end

-- Why nothing may be written now in the epoch that a caller takes for claimed, or nothing.
local function refused(clock_key, epoch, us)
  local why = fenced(clock_key, us)
  if why then return why end
  if epoch ~= text(claim.epoch) then return 'FENCED epoch ' .. text(claim.epoch) .. ' is claimed, not ' .. epoch end
  return nil
end

-- First answers of request ids are fields of two hashes: those of the last minute or so in `done`, which has its beginning in Unix us
-- in the field '', and those of the one before in `before`. So each is kept for a minute at least, and all of a hash is forgotten
-- at once.
local DONE_US = 60000000

-- The first answers that these request ids have, by their names.
local function first_answers(done_key, before_key, names)
  local answers = {}
  for _, key in ipairs({ before_key, done_key }) do
    local found = redis.call('HMGET', key, unpack(names))
    -- Setting what isn't there to nothing costs a table anew each time.
    for i = 1, #names do
      if found[i] then answers[names[i]] = found[i] end
    end
  end
  return answers
end

-- Begins anew with `done` when it is old enough, and forgets what was before it. Gives when it began, nothing when there is none.
local function turn_answers_over(done_key, before_key, us)
  local since = tonumber(redis.call('HGET', done_key, '') or nil)
  if not since or us - since < DONE_US then return since end
  redis.call('UNLINK', before_key)
  redis.call('RENAME', done_key, before_key)
  return nil
end

-- Remembers first answers. `fields`: the name of each request id, and a short hash of its body, a blank, and the answer.
local function remember(done_key, before_key, us, fields)
  local since = turn_answers_over(done_key, before_key, us)
  -- When the clock goes back, its time begins anew.
  if not since or us < since then redis.call('HSET', done_key, '', text(us)) end
  redis.call('HSET', done_key, unpack(fields))
end

-- Why a write isn't to be done, or nothing; then the answer that was given to its request id first, if any. `body`: a short hash of
-- it; `first`: what is remembered of its request id.
local function answered_at_once(us, deadline_ms, body, first)
  if us > deadline_ms * 1000 then return 'EXPIRED the write came after its deadline' end
  if first then
    local first_body, answer = string.match(first, '^(%w+) (.*)$')
    if first_body ~= body then return 'REUSED the request id came with another body before' end
    return nil, answer
  end
  if promotion.holds_writes and promotion.until_us > us then
    return 'HELD ' .. promotion.region .. ' is being promoted'
  end
  return nil
end

-- Begins a write. All writes share these first KEYS and ARGV:
--   KEYS  1 clock, 2 log, 3 done, 4 the done before
--   ARGV  1 the epoch the caller takes for claimed, 2 deadline in Unix ms, 3 '0', or with a request id a short hash of the
--         body, a blank, and the request id's name: what else it is for, and the id; 4 log entries max
-- Gives the write, or nil and the reply to give at once: an error, or the first answer of the same request id.
-- Errors: FENCED, EXPIRED; REUSED the request id came with another body before; HELD another region is being promoted, and
--         nothing is written until that is over
local function open_write(keys, args)
  local us = now_us()
  local why, first = refused(keys[1], args[1], us), nil
  if why then return nil, redis.error_reply(why) end
  local body, name = string.match(args[3], '^(%w+) (.*)$')
  if name then first = first_answers(keys[3], keys[4], { name })[name] end
  why, first = answered_at_once(us, tonumber(args[2]), body, first)
  if why then return nil, redis.error_reply(why) end
  if first then
    local reply = {}
    for part in string.gmatch(first, '%d+') do reply[#reply + 1] = part end
    return nil, reply
  end
  local epoch, seq = position_of(redis.call('GET', keys[1]))
  return { keys = keys, args = args, us = us, epoch = epoch, before = seq, seq = seq, body = body, name = name }
end

-- Takes the next position and gives its text.
local function take(write)
  write.seq = write.seq + 1
  return text(write.epoch) .. '-' .. text(write.seq)
end

-- Adds an entry to the change log. `previous`: the position of the newest one there.
local function append(log_key, entries_max, position, operation, uid, id, previous)
  redis.call('XADD', log_key, 'MAXLEN', '~', entries_max, position,
    'op', operation, 'uid', uid, 'id', id, 'previous', previous)
end

-- The position of the newest entry of the change log.
local function newest_of(log_key)
  local last = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', 1)[1]
  return last and last[1] or '0-0'
end

-- Takes the next position for a change of an index or a chunk and adds it to the log; gives its text.
local function take_logged(write, operation, uid, id)
  local position = take(write)
  append(write.keys[2], write.args[4], position, operation, uid, id, write.logged or newest_of(write.keys[2]))
  write.logged = position
  return position
end

-- Sets the clock to the newest position that was taken.
local function set_clock(write)
  if write.seq > write.before then
    redis.call('SET', write.keys[1], text(write.epoch) .. '-' .. text(write.seq))
  end
end

-- Ends a write: sets the clock, remembers the answer for its request id.
-- Reply: epoch, first seq taken, how many were taken, Unix microseconds, how many things were found
local function close_write(write, found)
  set_clock(write)
  local taken = write.seq - write.before
  local reply = { text(write.epoch), text(write.before + 1), text(taken), text(write.us), text(found or taken) }
  if write.name then
    local answer = write.body .. ' ' .. table.concat(reply, ' ')
    remember(write.keys[3], write.keys[4], write.us, { write.name, answer })
  end
  return reply
end

-- A cache entry's header, see entry-codec.ts.
local HEADER = '>BI8I8I8I8B'
local HEADER_BYTES = 34
-- Replicas hide expired keys by their own clocks, so Redis's expiry is later than the entry's.
local SKEW_ALLOWANCE_MS = 60000

-- Position and expiry of a stored entry, from its first bytes; nothing when there is none that a reader would see.
local function visible_entry(header, cleared, us)
  if not header or #header < HEADER_BYTES then return nil end
  local _, epoch, seq, _, expires_us = struct.unpack(HEADER, header)
  if expires_us > 0 and expires_us <= us then return nil end
  local cleared_epoch, cleared_seq = position_of(cleared)
  if cleared_epoch and (epoch < cleared_epoch or (epoch == cleared_epoch and seq <= cleared_seq)) then return nil end
  return text(epoch) .. '-' .. text(seq)
end

-- Why a precondition doesn't hold of a key's visible version, or nothing when it does.
local function unmet(condition, version)
  if condition == 'absent' and version then return 'PRECONDITION the key exists, at version ' .. version end
  if condition == 'present' and not version then return 'PRECONDITION there is no such key' end
  if string.sub(condition, 1, 1) == '=' and (not version or condition ~= '=' .. version) then
    return version and 'PRECONDITION the key is at version ' .. version or 'PRECONDITION there is no such key'
  end
  return nil
end

-- Why an entry may not be written or deleted under a condition ('': none), or nothing.
local function unmet_of_entry(write, cleared_key, entry_key, condition)
  if condition == '' then return nil end
  local header = redis.call('GETRANGE', entry_key, 0, HEADER_BYTES - 1)
  return unmet(condition, visible_entry(header, redis.call('GET', cleared_key), write.us))
end

-- When an entry expires, Unix us; 0: never. `ttl_ms` and `expires_ms`: one of the two, or both '' for never.
local function expiry_us(write, ttl_ms, expires_ms)
  if expires_ms ~= '' then return tonumber(expires_ms) * 1000 end
  return ttl_ms == '' and 0 or write.us + tonumber(ttl_ms) * 1000
end

-- Takes the next position for a cache entry and writes it.
local function set_entry(write, key, value, content_type, expires_us)
  write.seq = write.seq + 1
  local header = struct.pack(HEADER, 1, write.epoch, write.seq, write.us, expires_us, #content_type)
  if expires_us == 0 then
    redis.call('SET', key, header .. content_type .. value)
  else
    local at_ms = text(math.ceil(expires_us / 1000) + SKEW_ALLOWANCE_MS)
    redis.call('SET', key, header .. content_type .. value, 'PXAT', at_ms)
  end
end

local CHUNK_FIELDS = { 'text', 'vector', 'metadata', 'tags', 'position', 'written', 'expires' }

-- All fields of a chunk in the order of CHUNK_FIELDS, or nothing.
local function chunk_of(key)
  local fields = redis.call('HMGET', key, unpack(CHUNK_FIELDS))
  return fields[5] and fields or nil
end

-- The version of the chunk that a reader would see, '' when there is none.
local function chunk_version(key, us)
  local fields = redis.call('HMGET', key, 'position', 'expires')
  local expired = fields[2] and fields[2] ~= '' and tonumber(fields[2]) <= us
  return fields[1] and not expired and fields[1] or ''
end

-- The uid of an index by its name, or nothing.
local function index_uid(indexes_key, name)
  local definition = redis.call('HGET', indexes_key, name)
  return definition and string.match(definition, '^{"uid":"(%d+%-%d+)"')
end

-- The names of the indexes that an alias points at, in its order, or nothing.
local function alias_indexes(aliases_key, alias)
  local definition = redis.call('HGET', aliases_key, alias)
  return definition and cjson.decode(definition).indexes
end

-- Why a write that came by an alias may not go to the indexes that its caller took it for, or nothing. A name of '' is
-- no alias.
local function alias_moved(aliases_key, alias, names)
  if alias == '' then return nil end
  local pointed_at = {}
  for _, name in ipairs(alias_indexes(aliases_key, alias) or {}) do pointed_at[name] = true end
  for _, name in ipairs(names) do
    if not pointed_at[name] then return 'ALIAS_MOVED it points elsewhere by now' end
  end
  return nil
end

-- Registers a reading function twice: as it is, for every region, and claim-checked, for the primary. The second
-- isn't flagged no-writes, so that a replica refuses it. KEYS[1] must be the clock.
local function register_read(name, read)
  redis.register_function {
    function_name = 'PREFIX_' .. name, callback = read, flags = { 'no-writes', 'allow-stale' },
  }
  redis.register_function {
    function_name = 'PREFIX_' .. name .. '_fenced',
    callback = function(keys, args)
      local why = fenced(keys[1], now_us())
      if why then return redis.error_reply(why) end
      return read(keys, args)
    end,
    flags = { 'allow-oom' },
  }
end

local function register_write(name, write, flags)
  redis.register_function { function_name = 'PREFIX_' .. name, callback = write, flags = flags or {} }
end
