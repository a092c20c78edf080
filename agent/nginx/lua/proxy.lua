-- A request's way: find its container when it comes, count it out when it goes.
local counters = require "counters"
local origin = require "origin"
local pages = require "pages"
local routes = require "routes"

local M = {}

function M.enter()
    if origin.refuses() then return pages.stranger() end
    local route = routes.find((ngx.var.host or ""):lower())
    if not route then return pages.unknown() end
    -- Nobody is sent to the container, nor counted for it: what is in flight there ends, and nothing new comes.
    if type(route.maintenance) == "table" then return pages.maintenance(route.maintenance) end
    -- The request keeps this container to its end, whatever the table says meanwhile.
    ngx.var.target = route.address .. ":" .. route.port
    ngx.var.counted = route.container .. "|" .. route.release
    counters.enter(ngx.var.counted)
end

function M.leave()
    local name = ngx.var.counted
    if name == "" then return end
    ngx.var.counted = ""
    counters.leave(name, ngx.status, tonumber(ngx.var.request_time) or 0)
end

return M
