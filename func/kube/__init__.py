"""Clients of the Kubernetes API and of Argo Server."""
