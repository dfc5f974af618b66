-- What the transcoder does not do: HEAD as GET, OPTIONS, a browser at the root, and the methods of a path in its 404.
-- And what it should not do: let the query say what the path or the body says.
--
-- PATHS stands before this text: a pattern, per method the fields that stand in the path or the body, the text for
-- Allow, and whether GET streams. Only a call with a query, and what is no plain call, is looked up in it.

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

-- Give, where a path takes a method, the fields that its query must not hold.
local function taken(row, method)
  return row[2][method == "HEAD" and "GET" or method]
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- The transcoder would let a parameter win over the path, and skips one without "=": DELETE …?instance_uuid must not
-- end the whole component. It decodes names, so that an escape would hide one.
local function misplaced(target, method)
  local query = target:match("%?(.*)$")
  local row = query ~= nil and path_of(target) or nil
  local elsewhere = row ~= nil and taken(row, method) or nil
  if elsewhere == nil then
    return nil
  end
  for pair in query:gmatch("[^&]+") do
    local written = pair:match("^([^=]+)=")
    local name = written ~= nil and decoded(written):match("^[^.]*") or nil
    if name == nil then
      return "parameter", pair:sub(1, 100)
    elseif elsewhere[name] then
      return "query", name
    end
  end
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
