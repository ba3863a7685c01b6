"""What the sources of events call things: paths in their data, by the names of our facts."""
