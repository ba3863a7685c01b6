"""The commands: each reads its arguments, calls the parts of `func` and prints."""
