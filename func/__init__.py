"""Taskgate: an event from outside opens exactly one gate of exactly one running Argo Workflow."""

__version__ = "0.1.0"
