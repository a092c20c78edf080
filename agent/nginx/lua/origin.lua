-- Whether only the edge is answered: whoever shows a certificate of its authority.
local M = { required = false }

-- Looks for a file, when nginx reads its configuration.
function M.load(path)
    local file = io.open(path)
    M.required = file ~= nil
    if file then file:close() end
end

-- The droplet itself asks too, over its loopback, where nobody else is.
function M.refuses()
    return M.required and ngx.var.remote_addr ~= "127.0.0.1" and ngx.var.ssl_client_verify ~= "SUCCESS"
end

return M
