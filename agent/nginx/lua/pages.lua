-- The pages that nginx itself gives.
local M = {}

local PAGE = [[<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s</title><style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui,sans-serif;max-width:34em;margin:18vh auto;padding:0 1.5em}
small{opacity:.6}</style><h1>%s</h1><p>%s</p><small>%d · request %s</small></html>
]]

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escaped(text)
    return (text:gsub("[&<>\"']", ENTITIES))
end

local function send(status, kind, body)
    ngx.status = status
    ngx.header.content_type = kind .. "; charset=utf-8"
    ngx.header.cache_control = "no-store"
    ngx.print(body)
    return ngx.exit(status)
end

local function give(status, title, text)
    return send(status, "text/html", PAGE:format(title, title, text, status, ngx.var.request_id))
end

-- No container answers for this name here.
function M.unknown()
    return give(421, "Nothing is served here under this name",
        "This server does not know the name you asked for. If it should, deploy the service again: "
        .. "that points the name at the servers that know it.")
end

-- Whoever asks is not the edge.
function M.stranger()
    return give(403, "Please ask through the front door",
        "This server answers the edge of its zone alone, and whoever asked is not it.")
end

-- The service is under maintenance: a page for browsers, which ask for HTML by name, and a line for everybody else.
function M.maintenance(page)
    local title, text = "Under maintenance", page.message
    if text == "" then text = "This service will be back. Please try again in a while." end
    ngx.req.discard_body()  -- so that the connection can be used again
    ngx.header.retry_after = ("%d"):format(page.retry_after_seconds)
    if (ngx.var.http_accept or ""):find("text/html", 1, true) then return give(503, title, escaped(text)) end
    return send(503, "text/plain", title .. ". " .. text .. "\n")
end

-- The container did not answer.
function M.unavailable()
    return give(ngx.status, "The service does not answer at the moment",
        "It may be starting. Try again in a few seconds; whoever runs it sees why in its log.")
end

return M
