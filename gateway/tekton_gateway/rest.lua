-- REST clients see the documented errors and statuses; gRPC and gRPC-Web calls pass untouched.
--
-- A REST call reaches the server with `x-tekton-rest: 1`. The server answers,
-- always in the trailing metadata:
--   on failure: tekton-error (the JSON body), tekton-http-status, retry-after
--   on success: tekton-revision and, if it is not 200, tekton-http-status (such as 201)
-- FALLBACKS, by gRPC status, is what stands in for a server that said no words of its own.

local REST = "tekton.rest"
local MARK = "x-tekton-transcoder"
local ASKED = "x-tekton-asked"
local STATUS = "x-tekton-grpc-status"
local HIDDEN = { "grpc-status", "grpc-message", "grpc-accept-encoding", "grpc-encoding" }
local BETWEEN_US = { "grpc-status-details-bin", "tekton-error", "tekton-http-status" }

-- Exactly what Envoy takes for gRPC and gRPC-Web. Anything else is transcoded, so that the rules of REST are for it.
local WEB = {
  ["application/grpc-web"] = true, ["application/grpc-web+proto"] = true,
  ["application/grpc-web-text"] = true, ["application/grpc-web-text+proto"] = true,
}

local function is_plain_grpc(content_type)
  return content_type == "application/grpc" or (content_type ~= nil and content_type:sub(1, 17) == "application/grpc+")
end

local function is_grpc(content_type)
  return is_plain_grpc(content_type) or WEB[content_type] == true
end

-- Native gRPC needs HTTP/2, which a browser does not speak to a port without TLS, and no other client has an Origin.
local function is_native(handle, headers, content_type)
  return is_plain_grpc(content_type)
    and headers:get("origin") == nil
    and handle:streamInfo():protocol() == "HTTP/2"
end

local function hide(headers, names)
  for _, name in ipairs(names) do
    headers:remove(name)
  end
end

-- What gRPC's headers say would make the server's library fail a call that has nothing to do with gRPC.
local function hide_grpc(headers)
  local found = {}
  for name in pairs(headers) do
    if name:sub(1, 5) == "grpc-" or name:sub(-4) == "-bin" then
      found[#found + 1] = name
    end
  end
  hide(headers, found)
end

-- Asking for the body holds the headers back until the reply is complete; every object fetched before is dead then.
-- Where only trailers came the first answer is nil, and the second an empty body.
local function whole(handle)
  local body = handle:body(true) or handle:body(true)
  return body, handle:headers(), handle:trailers()
end

local function fail(body, headers, source)
  local fallback = FALLBACKS[source:get("grpc-status")] or FALLBACKS["2"]
  local text = source:get("tekton-error") or fallback[2]
  local retry_after = source:get("retry-after") or (source:get("tekton-error") == nil and fallback[3])
  headers:replace(":status", source:get("tekton-http-status") or fallback[1])
  headers:replace("content-type", "application/json")
  if retry_after then
    headers:replace("retry-after", retry_after)
  end
  headers:replace("content-length", tostring(body:setBytes(text)))
end

-- Put our words into a reply of the gateway. To a HEAD it has no body, nor then the length of one.
local function reworded(handle, words)
  local body, headers = whole(handle)
  local text = words(headers, body ~= nil and body:getBytes(0, body:length()) or "")
  if text == "" then
    headers:remove("content-length")
  else
    headers:replace("content-length", tostring(body:setBytes(text)))
  end
end

-- The server's words are in the headers where it sent nothing else, and in the trailers otherwise.
local function answer_failure(handle)
  local body, headers, trailers = whole(handle)
  local source = trailers or headers
  local status = source:get("grpc-status")
  if status ~= nil and status ~= "0" then
    fail(body, headers, source)
  end
  hide(headers, HIDDEN)
  hide(headers, BETWEEN_US)
end

-- Gives the headers: those of before are dead.
local function answer_success(handle)
  local _, headers, trailers = whole(handle)
  if trailers ~= nil then
    local http_status = trailers:get("tekton-http-status")
    if http_status ~= nil then
      headers:replace(":status", http_status)
    end
    local revision = trailers:get("tekton-revision")
    if revision ~= nil then
      headers:replace("tekton-revision", revision)
      trailers:remove("tekton-revision")
    end
  end
  return headers
end

local function answer(handle, headers)
  local status = headers:get("grpc-status")
  local failed = status ~= nil and status ~= "0"
  -- Without a status it is a stream, or a reply of the gateway itself. A stream that still has the content type of the
  -- transcoder has had no message: it failed. A reply of the gateway looks the same so far, and is left as it is.
  local silent = status == nil and headers:get("content-type") == "application/json"
  if failed or silent then
    answer_failure(handle)
  else
    if status ~= nil then
      headers = answer_success(handle)
    end
    hide(headers, HIDDEN)
  end
end

-- Waits for the end of the reply. HTTP/1 clients get no trailers.
local function clean_trailers(handle)
  local trailers = handle:streamInfo():protocol() ~= "HTTP/1.1" and handle:trailers() or nil
  if trailers ~= nil then
    hide(trailers, HIDDEN)
    hide(trailers, BETWEEN_US)
  end
end

-- Each worker has a Lua of its own, which all begin alike.
math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 2 ^ 31)

-- Envoy takes any request id that a client gives; one that cannot stand in a line of a log gives way to another, of
-- which it is enough that nobody else has it. The server's live/call.py has the same rule.
local function name_call(headers)
  local id = headers:get("x-request-id")
  if id ~= nil and (#id > 128 or id == "" or id:find("[^%w_.:/+=@~-]")) then
    headers:replace("x-request-id", string.format("%08x-%08x", math.random(0, 2 ^ 31 - 1), math.random(0, 2 ^ 31 - 1)))
  end
end

-- The server's library never answers a call that ends before its first message. Only the beginning is looked at: what
-- is passed on cannot be refused any more.
local function refuse_silence(handle, headers)
  local length = headers:get("content-length")
  if length == nil then
    for _ in handle:bodyChunks() do
      return
    end
  elseif tonumber(length) >= 5 then -- the frame of an empty message
    return
  end
  headers:replace(REFUSED, "message")
  handle:respond({ [":status"] = "400" }, "")
end

-- No path is a WebSocket or a tunnel. Such a request has no end, for which the buffer filter would wait.
local function refuse_upgrade(handle, headers)
  local tunnel = headers:get(":method") == "CONNECT"
  local known = not tunnel and path_of(headers:get(":path")) ~= nil
  headers:replace(REFUSED, tunnel and "tunnel" or known and "upgrade" or "websocket")
  handle:respond({ [":status"] = known and "400" or "404" }, "")
end

-- The codec of HTTP/2 resets what is over its own limits without a word, so that it is given more room than this.
local function too_long(headers)
  local count, size = 0, 0
  for name, value in pairs(headers) do
    count, size = count + 1, size + #name + #value
  end
  return count > HEADERS or size > HEADER_BYTES
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if too_long(headers) then
    handle:respond({ [":status"] = "431" }, "")
    return
  end
  name_call(headers)
  local content_type = headers:get("content-type")
  if is_native(handle, headers, content_type) then
    refuse_silence(handle, headers)
    return
  end
  if headers:get("upgrade") ~= nil or headers:get(":method") == "CONNECT" then
    refuse_upgrade(handle, headers)
    return
  end
  local rpc = is_grpc(content_type)
  local status, refused, parameter = refusal(headers, rpc)
  if refused ~= nil then
    headers:replace(REFUSED, refused)
    headers:replace(PARAMETER, parameter or "")
    handle:respond({ [":status"] = status }, "")
    return
  end
  if rpc then
    refuse_silence(handle, headers)
    return
  end
  local asked = headers:get(":method")
  local answered = answered_at_the_door(headers)
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(REST, "rest", true)
  if answered ~= nil then
    metadata:set(REST, "content_type", answered["content-type"] or "")
    handle:respond(answered, "")
    return
  end
  if asked == "HEAD" then
    metadata:set(REST, "head", true)
  end
  hide_grpc(headers)
  headers:replace("x-tekton-rest", "1")
end

-- What a GET would have sent is counted and dropped: else the codec would send it, and an HTTP/1 client would take it
-- for the next reply.
local function drop_body(handle)
  local body, headers = whole(handle)
  if body ~= nil and body:length() > 0 then
    local length = body:length()
    body:setBytes("") -- sets content-length too
    headers:replace("content-length", tostring(length))
  end
end

-- Envoy makes the status of gRPC from that of HTTP, and of a deadline "unavailable", upon which clients try again.
local function tell_status(headers)
  local status = headers:get(STATUS)
  if status ~= nil then
    headers:remove(STATUS)
    headers:replace("grpc-status", status)
    headers:replace(":status", "200")
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local rest = handle:streamInfo():dynamicMetadata():get(REST)
  local asked = headers:get(ASKED)
  tell_status(headers)
  if headers:get(MARK) ~= nil then
    headers:remove(MARK)
    reworded(handle, explained)
  elseif asked ~= nil then
    headers:remove(ASKED)
    reworded(handle, function(fresh, reply) return tell_methods(fresh, reply, asked) end)
  elseif rest ~= nil and rest.content_type ~= nil then
    -- Envoy takes the type from a reply without a body.
    if rest.content_type ~= "" then
      headers:replace("content-type", rest.content_type)
    end
  elseif rest ~= nil or not is_grpc(headers:get("content-type")) then
    -- The content type alone cannot tell: a REST call that failed at once still has that of gRPC.
    answer(handle, headers)
    if rest ~= nil and rest.head then
      drop_body(handle)
    end
    clean_trailers(handle)
  end
end
