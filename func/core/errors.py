"""Errors that a person reads: each message is one line that says what is wrong."""


class TaskgateError(Exception):
    """Something that is no defect of Taskgate; commands print its message, and end with exit code 1."""


class SettingError(TaskgateError):
    """A setting or gates.yaml is wrong; the message names the place, its value and what was expected."""
