//! `/status-lists…`: the form of the lists, and the events.
