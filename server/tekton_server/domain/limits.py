"""The limits of CONTRACT §4, each with its unit."""

REQUEST_BYTES = 1024 * 1024
COMPONENT_NAME_CHARS = 256
COMPONENT_TYPE_CHARS = 64
VERSION_CHARS = 128
HOST_CHARS = 253
HEALTH_CHECK_CHARS = 2048
REASON_CHARS = 128
LIST_ITEMS = 256
ITEM_CHARS = 128
METADATA_BYTES = 64 * 1024
METADATA_LEVELS = 16
# Of one component, the remembered ones among them: each read shows them all, and one commit removes them.
INSTANCES = 5000
BATCH_ITEMS = 1000
QUERY_CHARS = 128
PAGE_SIZE = 1000
PAGE_BYTES = 900_000
# What every gRPC client takes in one message by default; as JSON it is two or three times that.
GRAPH_BYTES = 4_000_000
HEALTH_ITEMS = 64
HEALTH_CHARS = 256
METRIC_ITEMS = 64
LEASES_PER_MESSAGE = 10_000
# Of one instance: commands that wait for its answer, and those that are remembered, the ended ones among them.
COMMANDS_WAITING = 16
COMMANDS_KEPT = 64
# How many instances one call gives a command to.
COMMAND_TARGETS = 1000
COMMAND_ARGUMENT_BYTES = 4096
COMMAND_MESSAGE_CHARS = 512
COMMAND_SECONDS = 3600.0
# Of the catalogue at run time, and of a model.
MODELS = 20_000
MODEL_ID_CHARS = 256
MODEL_TEXT_CHARS = 512
TIERS = 10
TOKENS = 2**31 - 1
MODEL_DOLLARS = 1_000_000.0
BUDGETS = 1000
ENDPOINT_CHARS = 2048
# How long a budget lease holds at most, in seconds.
BUDGET_SECONDS = 3600.0
# What a machine can have at most, for what is said of resources.
CORES = 4096
MEMORY_MB = 2**24
COUNTED_BYTES = 2**63
# Of error reports.
ERROR_TYPE_CHARS = 256
ERROR_MESSAGE_CHARS = 4096
STACK_TRACE_CHARS = 32_768
ERROR_CONTEXT_BYTES = 8192
ERROR_PAGE = 100
