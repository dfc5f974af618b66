"""Generated stubs of the contract in proto/tekton/v1. Never edited; `make proto` writes them."""
