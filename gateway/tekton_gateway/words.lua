-- The transcoder's words become ours: the field, what is wrong with it, and the rule it breaks.
--
-- They come as escaped in JSON, and go back into JSON as they are. LISTS and MAPS, of the names of such fields, stand
-- before this text.

local TYPES = {
  TYPE_INT32 = "an integer", TYPE_INT64 = "an integer", TYPE_UINT32 = "an integer", TYPE_UINT64 = "an integer",
  TYPE_DOUBLE = "a number", TYPE_FLOAT = "a number", TYPE_BOOL = "true or false", TYPE_STRING = "a string",
  TYPE_BYTES = "base64", TYPE_ENUM = "one of the documented names",
  ["type.googleapis.com/google.protobuf.Timestamp"] = "a time such as 2025-01-31T12:00:00Z",
  ["type.googleapis.com/google.protobuf.Duration"] = "a duration such as 1.5s",
}
local PLURALS = {
  ["an integer"] = "integers", ["a number"] = "numbers", ["a string"] = "strings", ["an object"] = "objects",
}
-- How the words about text that is no JSON begin, and what they mean to somebody who wrote it.
local SYNTAX = {
  { "Unexpected end of string. Expected a value", "it ends where a value is due" },
  { "Unexpected end of string. Expected an object key", "it ends inside an object: a closing brace is missing" },
  { "Unexpected end of string. Expected , or }", "it ends inside an object: a closing brace is missing" },
  { "Unexpected end of string. Expected , or ]", "it ends inside a list: a closing bracket is missing" },
  { "Unexpected end of string", "it ends too early" },
  { "Closing quote expected", "it ends inside a string: a closing quote is missing" },
  { "Parsing terminated before end", "something follows the object: send one object and nothing else" },
  { "Expected an object key", "the name of a field, in double quotes, or a closing brace is due" },
  { "Expected : between", "a colon is due between the name of a field and its value" },
  { "Expected , or }", "a comma or a closing brace is due after the value of a field" },
  { "Expected , or ]", "a comma or a closing bracket is due after an item of a list" },
  { "Expected a value", "a value is due: a string in double quotes, a number, true, false, null, a list or an object" },
  { "Unexpected token", "a bare word is no value: put strings in double quotes; true, false and null are lower case" },
  { "Encountered non UTF-8", "it is not UTF-8" },
  { "Missing low surrogate", "half of a surrogate pair stands alone" },
  { "Invalid low surrogate", "half of a surrogate pair stands alone" },
  { "Invalid unicode code point", "half of a surrogate pair stands alone" },
  { "Invalid escape sequence", "a \\\\u needs four hexadecimal digits" },
  { "Illegal hex string", "a \\\\u needs four hexadecimal digits" },
  { "Octal/hex numbers", "a number must not begin with 0: write it in decimal, without leading zeros" },
  { "Unable to parse number", "a number is not complete" },
  { "Number exceeds", "a number is too large for a double" },
}

local function not_json(words)
  local said, where = words:match("^(.-)\\n(.*)\\n%s*%^%s*$")
  said = said or words
  for _, row in ipairs(SYNTAX) do
    if said:sub(1, #row[1]) == row[1] then
      local near = where ~= nil and where ~= "" and ", near " .. where or ""
      return "body", "is not valid JSON: " .. row[2] .. near, "json"
    end
  end
end

-- Items and fields are told by the transcoder as a[0].b; the entries of a map as a[0].value.
local function wanted(field, kind)
  local one = TYPES[kind] or "an object"
  local many = PLURALS[one] or "values that are " .. one
  if TYPES[kind] ~= nil then
    field = field:gsub("%[%d+%]$", "") -- of plain values it tells the first, whichever is wrong
  end
  local map = field:match("^(.*)%[%d+%]%.value$")
  if map ~= nil and MAPS[map:match("[%w_]*$")] then
    return map, "must hold only " .. many
  elseif LISTS[field:match("[%w_]*$")] then
    return field, "must be a list of " .. many
  end
  return field, "must be " .. one
end

local function wrong_type(words)
  local field, value, kind = words:match("^([%w_%.%[%]]+): invalid value (.*) for type (%S+)$")
  if field == nil or value == "Starting an object on a scalar field" then
    return nil
  end
  local message
  field, message = wanted(field, kind)
  local shown = #value <= 100 and value:find("^Field '") == nil -- there the converter's words follow
  return field, shown and message .. ", not " .. value or message, "type"
end

local function object_in_place_of_a_value(words)
  local before, field = words:match("^(.-):? ?invalid value Starting an object on a scalar field for type ([%w_]+)$")
  if field == nil then
    return nil
  end
  if before:match("[%w_]*$") == field then
    return before, "must be a list without objects in it", "type" -- an item of it is one
  end
  local path = before == "" and field or before .. "." .. field
  return path, LISTS[field] and "must be a list, not an object" or "must not be an object", "type"
end

local function list_in_place_of_a_value(words)
  local map = words:match("Cannot bind a list to map for field '([%w_]+)'")
  if map ~= nil then
    return map, "must be an object, not a list", "type"
  end
  map = words:match("^([%w_%.%[%]]+)%[%d+%]%.value: Proto fields must have a name")
  if map ~= nil then
    return map, "must hold plain values, no lists", "type"
  end
  local before = words:match("^(.-):? ?Proto field is not repeating, cannot start list")
  if before ~= nil then
    local field = before == "" and "body" or before
    return field, "has a list where one value or an object is due: leave the brackets out", "type"
  end
end

local function of_the_whole(words)
  if words:find("^Root element must be a message") ~= nil then
    return "body", "must be a JSON object, such as {}", "type"
  end
  if words:find("^Message too deep") ~= nil then
    return "body", "is nested too deep: take some levels out", "depth"
  end
  local map, key = words:match("^([%w_%.]+)%[%d+%]: Repeated map key: '(.*)' is already set")
  if map ~= nil then
    return map, "must not have a key twice" .. (#key <= 100 and ": " .. key or ""), "unique"
  end
end

local function of_the_url(words)
  local field = words:match('^Could not find field \\"([^\\]*)\\" in the type')
  if field ~= nil then
    return field == "" and "query" or field, "is not a parameter of this call", "unknown"
  end
  field = words:match('^Encountered a non%-leaf field \\"([^\\]*)\\" that is not a message')
  if field ~= nil then
    return field, "has no fields of its own: leave out the dot and what follows it", "unknown"
  end
  field = words:match("^The binding value .* of the field ([%w_%.]+) is conflicting with")
  if field ~= nil then
    return field, "is not the same in the path and in the body", "conflict"
  end
end

-- Give the field, what is wrong with it, and the rule. Words that nobody foresaw are not shown: they are not for users.
local function violation(words)
  for _, reading in ipairs({
    of_the_url, wrong_type, object_in_place_of_a_value, list_in_place_of_a_value, of_the_whole, not_json,
  }) do
    local field, message, rule = reading(words)
    if field ~= nil then
      return field, message, rule
    end
  end
  return "body", "cannot be read as the request of this call", "format"
end

local function explained(_, reply)
  local before, words, after = reply:match('^(.-"message":")(.*)(","reason".*)$')
  if words == nil then
    return reply
  end
  if words == "" or words == "Bad Request" then
    return before .. "The request is not valid HTTP." .. after -- the codec's words, not the transcoder's
  end
  local field, message, rule = violation((words:gsub("^: ", "")))
  local details = '"violations":[{"field":"' .. field .. '","message":"' .. message .. '","rule":"' .. rule .. '"}]'
  before = before:gsub('"details":{}', function() return '"details":{' .. details .. "}" end)
  return before .. field .. " " .. message .. after
end
