-- Set the state of a road, if nobody has set it since the caller read it. The only script there is.
--
-- KEYS[1]  the road: a hash of version, clock and state
-- ARGV[1]  the version the caller started from; empty: there was none
-- ARGV[2]  the version it sets; empty: it only asks whether the first still stands
-- ARGV[3], ARGV[4]  clock and state
-- ARGV[5]  milliseconds for which they are kept
-- ARGV[6], ARGV[7] and so on: channels, each followed by what is said there once the state is set
--
-- Answers {1, seconds, microseconds}, by this server's clock, or {0, seconds, microseconds, version, clock, state} with
-- what stands there instead.

local time = redis.call('TIME')
local stands = redis.pcall('HGET', KEYS[1], 'version') or ''
if type(stands) == 'table' then -- not a hash, so none of ours
  redis.call('DEL', KEYS[1])
  stands = ''
end
if stands ~= ARGV[1] then
  local rest = redis.call('HMGET', KEYS[1], 'clock', 'state')
  return {0, time[1], time[2], stands, rest[1] or '', rest[2] or ''}
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'clock', ARGV[3], 'state', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
for place = 6, #ARGV, 2 do
  redis.call('PUBLISH', ARGV[place], ARGV[place + 1])
end
return {1, time[1], time[2]}
