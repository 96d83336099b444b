-- Set the state of a road, if nobody has set it since the caller read it. The only script there is.
--
-- KEYS[1]  the road: a hash of version, clock and state
-- ARGV[1]  the version the caller started from; empty: there was none
-- ARGV[2]  the version it sets; empty: it only asks whether the first still stands
-- ARGV[3], ARGV[4]  clock and state
-- ARGV[5]  milliseconds for which they are kept
-- ARGV[6]  who asks; empty: one that only asks
-- ARGV[7]  milliseconds for which nobody else may set it, if this one comes too late; 0: it does not mind
-- ARGV[8], ARGV[9] and so on: channels, each followed by what is said there once the state is set
--
-- Answers {1, seconds, microseconds}, by this server's clock, or {0, seconds, microseconds, version, clock, state, next}
-- with what stands there instead, and who alone may set it now; empty: whoever is first.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.pcall('HMGET', KEYS[1], 'version', 'next', 'until')
if held.err then -- not a hash, so none of ours
  redis.call('DEL', KEYS[1])
  held = {false, false, false}
end
local stands = held[1] or ''
local first = held[2] and tonumber(held[3]) > now and held[2] or ''
local passed = first ~= '' and first ~= ARGV[6] and ARGV[2] ~= ''
if stands ~= ARGV[1] or passed then
  if first == '' and stands ~= '' and ARGV[7] ~= '0' then
    first = ARGV[6]
    redis.call('HSET', KEYS[1], 'next', first, 'until', now + ARGV[7])
  end
  local rest = redis.call('HMGET', KEYS[1], 'clock', 'state')
  return {0, time[1], time[2], stands, rest[1] or '', rest[2] or '', first}
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'clock', ARGV[3], 'state', ARGV[4])
  redis.call('HDEL', KEYS[1], 'next', 'until')
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
for place = 8, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[place], ARGV[place + 1])
end
return {1, time[1], time[2]}
