-- Who may ask what: the rules and the roles are data, read once at the start (rules.json); this only applies them.
-- Whatever goes wrong in here refuses the request.
local cjson = require("cjson.safe")

local gateway = {}
local rules
local WRONG_PASSWORDS, MINUTE = 10, 60
local LONGEST_TOLD = 2000

function gateway.load(path)
    local file = assert(io.open(path))
    rules = assert(cjson.decode(file:read("*a")))
    file:close()
end

local function matches(path, pattern)
    return ngx.re.find(path, pattern, "jo") ~= nil
end

local function refuse(status, why)
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode({ detail = why }))
    return ngx.exit(status)
end

-- Before the password is looked at: an address with ten wrong ones in a minute has to wait. The table is bounded.
function gateway.hold_back()
    if (ngx.shared.wrong:get(ngx.var.binary_remote_addr) or 0) >= WRONG_PASSWORDS then
        ngx.header["Retry-After"] = MINUTE
        return refuse(429, "Too many wrong passwords from this address. Wait a minute.")
    end
end

function gateway.count_wrong()
    if ngx.status == 401 and ngx.var.http_authorization then
        ngx.shared.wrong:incr(ngx.var.binary_remote_addr, 1, 0, MINUTE)
    end
end

-- Said so, they change nothing: absent, null, false, nothing.
local function harmless(value)
    return value == nil or value == cjson.null or value == false or value == "false"
        or type(value) == "table" and next(value) == nil
end

-- The word, if any, that makes what was asked the admin's.
local function forbidden_word(asked)
    if type(asked) ~= "table" then return nil end
    for _, word in ipairs(rules.admin_words) do
        if not harmless(asked[word]) then return word end
    end
    local state = asked.state
    if type(state) == "table" and not harmless(state.data) then return "state.data" end
end

local function body()
    ngx.req.read_body()
    if ngx.req.get_body_file() then return nil, true end
    return ngx.req.get_body_data() or "", false
end

local function may(role, method, path)
    if method == "GET" or method == "HEAD" or method == "OPTIONS" then
        return not matches(path, rules.admin_reads)
    end
    if method == "POST" and matches(path, rules.reads) then return true end
    local allowed = role == "operator" and rules.operations[method]
    return allowed and matches(path, allowed)
end

local function changes(method, path)
    if method == "GET" or method == "HEAD" or method == "OPTIONS" then return false end
    return not (method == "POST" and matches(path, rules.reads))
end

local function check_words(text, too_long)
    if too_long then return refuse(413, "A body of this size is the admin's.") end
    local word = forbidden_word(ngx.req.get_uri_args(0))
    if not word and text ~= "" then
        local decoded = cjson.decode(text)
        if decoded == nil then return refuse(400, "This body is not JSON.") end
        word = forbidden_word(decoded)
    end
    if word then return refuse(403, "'" .. word .. "' is the admin's.") end
end

-- After the password was found right.
function gateway.check()
    local who, method, path = ngx.var.remote_user, ngx.req.get_method(), ngx.var.uri
    local role = rules.roles[who]
    ngx.var.role = role or "none"
    if changes(method, path) then ngx.var.audited = "1" end
    if not role then return refuse(403, "This login has no role.") end
    local text, too_long = body()
    if text and matches(path, rules.told) then ngx.var.told = text:sub(1, LONGEST_TOLD) end
    if role == "admin" then return end
    -- What nginx and Prefect might read differently is nobody's but the admin's.
    if ngx.var.request_uri:match("^[^?]*") ~= path then return refuse(400, "Write the path plainly.") end
    if not may(role, method, path) then
        return refuse(403, "A " .. role .. " may not do this: " .. method .. " " .. path)
    end
    return check_words(text, too_long)
end

return gateway
