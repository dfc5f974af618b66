-- REST clients see the documented errors and statuses; gRPC and gRPC-Web calls pass untouched.
--
-- A REST call reaches the server with `x-tekton-rest: 1`. The server answers with
--   on failure, in the trailing metadata: tekton-error (the JSON body), tekton-http-status, retry-after
--   on success, in the initial metadata:  tekton-http-status (such as 201), tekton-revision
-- FALLBACKS, by gRPC status, is what stands in for a server that said no words of its own.

local REST = "tekton.rest"
local MARK = "x-tekton-transcoder"
local HIDDEN = { "grpc-status", "grpc-message", "grpc-accept-encoding", "grpc-encoding" }
local HIDDEN_OF_FAILURES = { "grpc-status-details-bin", "tekton-error", "tekton-http-status" }
local TYPES = {
  TYPE_INT32 = "an integer", TYPE_INT64 = "an integer", TYPE_UINT32 = "an integer", TYPE_UINT64 = "an integer",
  TYPE_DOUBLE = "a number", TYPE_FLOAT = "a number", TYPE_BOOL = "true or false", TYPE_STRING = "a string",
  TYPE_BYTES = "base64", TYPE_ENUM = "one of the documented names",
  ["type.googleapis.com/google.protobuf.Struct"] = "an object",
  ["type.googleapis.com/google.protobuf.Timestamp"] = "a time such as 2025-01-31T12:00:00Z",
}

local function is_grpc(content_type)
  return content_type ~= nil
    and (content_type == "application/grpc" or content_type:find("^application/grpc[+;-]") ~= nil)
end

-- Native gRPC needs HTTP/2, which a browser does not speak to a port without TLS, and no other client has an Origin.
local function is_native(handle, headers, content_type)
  return is_grpc(content_type)
    and content_type:find("^application/grpc%-") == nil
    and headers:get("origin") == nil
    and handle:streamInfo():protocol() == "HTTP/2"
end

local function hide(headers, names)
  for _, name in ipairs(names) do
    headers:remove(name)
  end
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

-- The transcoder's words, as escaped in JSON, become a field, what is wrong with it, and the rule it breaks.
local function violation(words)
  local field, value, kind = words:match("^([%w_%.%[%]]+): invalid value (.*) for type (%S+)$")
  if field then
    local wanted = "must be " .. (TYPES[kind] or "of another type")
    return field, #value <= 100 and wanted .. ", not " .. value or wanted, "type"
  end
  field = words:match("^: invalid value Starting an object on a scalar field for type ([%w_%.]+)$")
  if field then
    return field, "must not be an object", "type"
  end
  field = words:match('^Could not find field \\"([^\\]*)\\" in the type')
  if field then
    return field, "is not a parameter of this call", "unknown"
  end
  field = words:match("^The binding value .* of the field ([%w_%.]+) is conflicting with")
  if field then
    return field, "is not the same in the path and in the body", "conflict"
  end
end

local function explained(reply)
  local before, words, after = reply:match('^(.-"message":")(.*)(","reason".*)$')
  if words == nil then
    return reply
  end
  if words == "" or words == "Bad Request" then
    return before .. "The request is not valid HTTP." .. after -- the codec's words, not the transcoder's
  end
  local field, message, rule = violation(words)
  if field == nil then
    return before .. "The request is not valid JSON for this call: " .. words:gsub("^: ", "") .. after
  end
  local details = '"violations":[{"field":"' .. field .. '","message":"' .. message .. '","rule":"' .. rule .. '"}]'
  before = before:gsub('"details":{}', function() return '"details":{' .. details .. "}" end)
  return before .. field .. " " .. message .. after
end

local function explain(handle, headers)
  headers:remove(MARK)
  local body
  body, headers = whole(handle)
  headers:replace("content-length", tostring(body:setBytes(explained(body:getBytes(0, body:length())))))
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
  hide(headers, HIDDEN_OF_FAILURES)
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
    local http_status = headers:get("tekton-http-status")
    if http_status ~= nil then
      headers:replace(":status", http_status)
      headers:remove("tekton-http-status")
    end
    hide(headers, HIDDEN)
  end
  -- HTTP/1 clients get no trailers.
  if handle:streamInfo():protocol() ~= "HTTP/1.1" then
    local trailers = handle:trailers()
    if trailers ~= nil then
      hide(trailers, HIDDEN)
      hide(trailers, HIDDEN_OF_FAILURES)
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local content_type = headers:get("content-type")
  if is_native(handle, headers, content_type) then
    return
  end
  if headers:get("upgrade") ~= nil or headers:get(":method") == "CONNECT" then
    -- No path is a WebSocket or a tunnel. Such a request has no end, for which the buffer filter would wait.
    handle:respond({ [":status"] = "404" }, "")
    return
  end
  local rpc = is_grpc(content_type)
  local status, refused = refusal(headers, rpc)
  if refused ~= nil then
    headers:replace(REFUSED, refused)
    handle:respond({ [":status"] = status }, "")
    return
  end
  if rpc then
    return
  end
  headers:replace("x-tekton-rest", "1")
  handle:streamInfo():dynamicMetadata():set(REST, "rest", true)
end

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(MARK) ~= nil then
    explain(handle, headers)
  elseif not is_grpc(headers:get("content-type")) or handle:streamInfo():dynamicMetadata():get(REST) ~= nil then
    -- The content type alone cannot tell: a REST call that failed at once still has that of gRPC.
    answer(handle, headers)
  end
end
