"""Errors that stop the start; each message is one line for the person who configures Taskgate."""


class SettingError(Exception):
    """A setting is wrong; the message names it, its value and what was expected."""


class ConfigError(Exception):
    """gates.yaml is wrong; the message names the place, its value and what was expected."""
