"""The container image: how it is built from the Dockerfile, what is in it, and how it runs as a pod would run it."""
