"""Pure decisions: what a command changes, given the view and the time. No await, no clock, no I/O, no protobuf."""
