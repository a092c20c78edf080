-- The routing table: which container answers for a host. The whole table is replaced at once, or not at all.
local cjson = require "cjson.safe"

local dict = ngx.shared.routes
local cached, cached_version = {}, 0

local M = { LIMIT = 1000, LONGEST_WAIT = 86400 }

local function checked_page(page)
    if page == nil or page == cjson.null then return true end
    if type(page) ~= "table" or type(page.message) ~= "string" then return nil, "a maintenance page is malformed" end
    local seconds = page.retry_after_seconds
    if type(seconds) ~= "number" or seconds < 1 or seconds > M.LONGEST_WAIT or seconds % 1 ~= 0 then
        return nil, "a time to retry after is malformed"
    end
    return true
end

local function checked(route)
    if type(route) ~= "table" then return nil, "a route is not an object" end
    for _, field in ipairs { "host", "container", "release", "address" } do
        if type(route[field]) ~= "string" then return nil, "a route lacks its " .. field end
    end
    if not route.host:match "^[a-z0-9.-]+$" then return nil, "a host is malformed" end
    if not route.address:match "^%d+%.%d+%.%d+%.%d+$" then return nil, "an address is malformed" end
    local port = route.port
    if type(port) ~= "number" or port < 1 or port > 65535 or port % 1 ~= 0 then return nil, "a port is malformed" end
    return checked_page(route.maintenance)
end

local function parsed(text)
    local document, problem = cjson.decode(text)
    if type(document) ~= "table" or type(document.routes) ~= "table" then
        return nil, "not a table of routes: " .. (problem or "it has no list `routes`")
    end
    if #document.routes > M.LIMIT then return nil, "more than " .. M.LIMIT .. " routes" end
    local by_host = {}
    for _, route in ipairs(document.routes) do
        local ok, why = checked(route)
        if not ok then return nil, why end
        if by_host[route.host] then return nil, "a host occurs twice: " .. route.host end
        by_host[route.host] = route
    end
    return by_host
end

-- Replaces the table; gives true, or nil and what is wrong with the new one.
function M.replace(text)
    local by_host, problem = parsed(text)
    if not by_host then return nil, problem end
    local version = (dict:get "version" or 0) + 1
    local ok, failed = dict:safe_set("table:" .. version, text)
    if not ok then return nil, "shared memory: " .. failed end
    -- From this moment every worker finds the new table, at its next request.
    dict:set("version", version)
    dict:delete("table:" .. version - 1)
    return true
end

-- The text of the table in use.
function M.text()
    return dict:get("table:" .. (dict:get "version" or 0)) or '{"routes": []}'
end

-- The route of a host, or nil.
function M.find(host)
    local version = dict:get "version" or 0
    if version ~= cached_version then
        local by_host = parsed(M.text())
        -- A table that was replaced in between is read at the next request; the one before serves this one.
        if by_host then cached, cached_version = by_host, version end
    end
    return cached[host]
end

-- Reads the table from a file, when nginx starts.
function M.load(path)
    local file = io.open(path)
    if not file then return end
    local ok, problem = M.replace(file:read "*a")
    file:close()
    if not ok then ngx.log(ngx.ERR, "the routes in ", path, " were not used: ", problem) end
end

return M
