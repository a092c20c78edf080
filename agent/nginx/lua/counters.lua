-- Exact counts for each release of each container. Requests in flight are counted for each worker apart, so that a
-- worker that crashed takes its count with it: its successor has the same number and begins anew.
local dict = ngx.shared.counters

local M = {}

local function key(kind, name)
    return kind .. "|" .. name
end

local function flight(name)
    return "flight." .. ngx.worker.id() .. "|" .. name
end

-- Called by each worker when it starts.
function M.begin()
    local mine = "flight." .. ngx.worker.id() .. "|"
    for _, one in ipairs(dict:get_keys(0)) do
        if one:sub(1, #mine) == mine then dict:delete(one) end
    end
end

-- Counts a request that begins.
function M.enter(name)
    dict:incr(flight(name), 1, 0)
    dict:incr(key("total", name), 1, 0)
end

-- Counts a request that has ended, however it ended.
function M.leave(name, status, seconds)
    dict:incr(flight(name), -1, 0)
    dict:incr(key("seconds", name), seconds, 0)
    if status >= 500 then dict:incr(key("errors", name), 1, 0) end
end

-- All counts by name: in_flight, total, errors, seconds.
function M.all()
    local found = {}
    for _, one in ipairs(dict:get_keys(0)) do
        local kind, name = one:match "^([^|]+)|(.+)$"
        local entry = found[name] or { in_flight = 0, total = 0, errors = 0, seconds = 0 }
        local field = kind:match "^flight" and "in_flight" or kind
        entry[field] = entry[field] + (dict:get(one) or 0)
        found[name] = entry
    end
    return found
end

return M
