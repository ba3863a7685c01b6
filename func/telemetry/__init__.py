"""What is reported of an event: log, metrics, traces and Kubernetes Events."""
