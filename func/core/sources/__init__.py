"""The sources of events: where the facts of an event are in its data."""
