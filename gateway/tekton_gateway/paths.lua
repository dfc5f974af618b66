-- What the transcoder does not do: HEAD as GET, OPTIONS, a browser at the root, and the methods of a path in its 404.
-- And what it should not do: let the query say what the path or the body says.
--
-- PATHS stands before this text: a pattern, per method the fields that stand in the path or the body and those that hold
-- lists, the text for Allow, and whether GET streams. Only a call with a query, and what is no plain call, is looked up.

local PARAMETER = "x-tekton-parameter"
local EVENTS = "text/event-stream"

local function path_of(target)
  local path = target:match("^[^?]*")
  for _, row in ipairs(PATHS) do
    if path:find(row[1]) ~= nil then
      return row
    end
  end
end

-- Give, where a path takes a method, what is known of its fields.
local function taken(row, method)
  return row[2][method == "HEAD" and "GET" or method]
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- The transcoder would let a parameter win over the path, of two take the last, and skips one without "=": neither
-- DELETE …?instance_uuid nor …?instance_uuid=a&instance_uuid= must end the whole component. It decodes names, so that an
-- escape would hide one, and takes instanceUuid for instance_uuid.
local function misplaced(query, fields)
  local seen = {}
  for pair in query:gmatch("[^&]+") do
    local written = pair:match("^([^=]+)=")
    if written == nil then
      return "parameter", pair:sub(1, 100)
    end
    local whole = decoded(written)
    local name, one = whole:match("^[^.]*"), whole:gsub("_", ""):lower()
    if fields.elsewhere[name] then
      return "query", name
    elseif seen[one] and not fields.lists[name] then
      return "repeated", whole:sub(1, 100)
    end
    seen[one] = true
  end
end

-- Give the status and the name of the refusal, and the parameter it is for; or nil. A query that cannot be looked at does
-- not pass: the transcoder takes paths, such as /components/batch for /components:batch, that are not in the table.
local function query_refused(target, method)
  local query = target:match("%?(.*)$")
  if query == nil or method == "OPTIONS" then
    return nil
  end
  local row = path_of(target)
  local fields = row ~= nil and taken(row, method) or nil
  if fields == nil then
    return "404", "method"
  end
  local refused, parameter = misplaced(query, fields)
  return refused ~= nil and "400" or nil, refused, parameter
end

-- Give what to answer at once, or nil. The methods of a call that goes on may be changed, not its meaning.
local function answered_at_the_door(headers)
  local method, target = headers:get(":method"), headers:get(":path")
  if method == "OPTIONS" then
    local row = path_of(target)
    return row ~= nil and { [":status"] = "204", allow = row.allow } or nil
  end
  if method == "HEAD" then
    local row = path_of(target)
    if row == nil or not taken(row, "GET") then
      return nil
    end
    if row.streams then
      -- It would never end, and cost the server a watcher: what a GET begins with is known.
      return { [":status"] = "200", ["content-type"] = EVENTS }
    end
    headers:replace(":method", "GET")
  end
  if target == "/" and (headers:get("accept") or ""):find("text/html", 1, true) ~= nil then
    return { [":status"] = "303", location = "docs" }
  end
end

-- The transcoder's 404 is for paths and methods alike: say which methods the path takes, where it is one.
local function tell_methods(headers, reply, asked)
  local method, path = asked:match("^(%S+) (.*)$")
  local row = path ~= nil and path_of(path) or nil
  if row == nil or taken(row, method) then
    return reply
  end
  headers:replace("allow", row.allow)
  local names = row.allow:gsub("%u+", '"%0"')
  reply = reply:gsub('"details":{}', '"details":{"allowed":[' .. names .. "]}")
  return (reply:gsub('%.","reason":', ": this path takes " .. row.allow .. '.","reason":'))
end
