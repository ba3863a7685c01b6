"""The Kubernetes API and Argo Server: the one way out."""
