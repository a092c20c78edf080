-- The pages that nginx itself gives.
local M = {}

local PAGE = [[<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s</title><style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui,sans-serif;max-width:34em;margin:18vh auto;padding:0 1.5em}
small{opacity:.6}</style><h1>%s</h1><p>%s</p><small>%d · request %s</small></html>
]]

local function give(status, title, text)
    ngx.status = status
    ngx.header.content_type = "text/html; charset=utf-8"
    ngx.header.cache_control = "no-store"
    ngx.print(PAGE:format(title, title, text, status, ngx.var.request_id))
    return ngx.exit(status)
end

-- No container answers for this name here.
function M.unknown()
    return give(421, "Nothing is served here under this name",
        "This server does not know the name you asked for. If it should, deploy the service again: "
        .. "that points the name at the servers that know it.")
end

-- The container did not answer.
function M.unavailable()
    return give(ngx.status, "The service does not answer at the moment",
        "It may be starting. Try again in a few seconds; whoever runs it sees why in its log.")
end

return M
