-- Who may call over HTTP: not the web pages of others, by whatever name they reach this listener.
--
-- A page cannot forge Host, Origin or, without a preflight that nobody here answers, a content type of application/json.
-- ALLOWED_HOSTS and ANY_ADDRESS stand before this text. The answers are in the table of local_replies.py.

local REFUSED = "x-tekton-refused"
local READS = { GET = true, HEAD = true, OPTIONS = true }

-- A name can be made to lead here (DNS rebinding); an IP address cannot.
local function host_allowed(authority)
  local host, rest = authority:match("^(%[[%x:.]+%])(.*)$")
  if host == nil then
    host, rest = authority:match("^([^:]+)(.*)$")
  end
  if host == nil or (rest ~= "" and rest:match("^:%d+$") == nil) then
    return false
  end
  local address = host:sub(1, 1) == "[" or host:match("^%d+%.%d+%.%d+%.%d+$") ~= nil
  return ALLOWED_HOSTS[host] == true or (ANY_ADDRESS and address)
end

-- The scheme may differ: TLS may end before us. The origin never names its default port; Host may.
local function same_origin(origin, authority)
  local scheme, site = origin:match("^(https?)://(.+)$")
  return site ~= nil and (site == authority or site .. (scheme == "https" and ":443" or ":80") == authority)
end

local function json_sent(method, content_type)
  if content_type == nil then
    return method == "DELETE" -- it has no body, and a page cannot send it without a preflight
  end
  local kind = content_type:lower():match("^[^;%s]*")
  return kind == "application/json" or (method == "PATCH" and kind == "application/merge-patch+json")
end

-- Give the status and the name of the refusal, and the parameter it is for; or nil. `rpc` is for gRPC-Web, and gRPC that
-- a browser may have sent.
local function refusal(headers, rpc)
  local method, origin = headers:get(":method"), headers:get("origin")
  local authority = (headers:get(":authority") or ""):lower()
  local reads = READS[method] and not rpc
  if not host_allowed(authority) then
    return "403", "host"
  end
  if origin ~= nil and not (origin == "null" and reads) and not same_origin(origin:lower(), authority) then
    return "403", "origin"
  end
  if rpc then
    return nil
  end
  if not reads and not json_sent(method, headers:get("content-type")) then
    local row = path_of(headers:get(":path"))
    if row ~= nil and not taken(row, method) then
      return "404", "method" -- sent as JSON it would be no better
    end
    return "400", "content-type"
  end
  if not reads and (headers:get("content-encoding") or "identity"):lower() ~= "identity" then
    return "400", "content-encoding"
  end
  return query_refused(headers:get(":path"), method)
end
