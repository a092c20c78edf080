-- What the agent asks over the admin socket.
local cjson = require "cjson.safe"
local counters = require "counters"
local origin = require "origin"
local routes = require "routes"

local M = {}

local function give(status, body)
    ngx.status = status
    ngx.print(body)
    return ngx.exit(status)
end

function M.routes()
    local method = ngx.req.get_method()
    if method == "GET" then return give(200, routes.text()) end
    if method ~= "PUT" then return give(405, '{"error": "GET or PUT"}') end
    ngx.req.read_body()
    local text = ngx.req.get_body_data()
    if not text then return give(400, '{"error": "no body"}') end
    local ok, problem = routes.replace(text)
    if not ok then return give(400, cjson.encode { error = problem }) end
    return give(200, routes.text())
end

function M.counters()
    local list = {}
    for name, entry in pairs(counters.all()) do
        entry.container, entry.release = name:match "^(.+)|(.+)$"
        list[#list + 1] = entry
    end
    return give(200, #list == 0 and "[]" or cjson.encode(list))
end

function M.origin()
    return give(200, cjson.encode { required = origin.required })
end

function M.healthz()
    return give(200, '{"ok": true}')
end

return M
