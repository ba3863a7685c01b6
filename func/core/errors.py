"""Errors that stop the start; each message is one line for the person who configures Taskgate."""


class SettingError(Exception):
    """A setting or gates.yaml is wrong; the message names the place, its value and what was expected."""
