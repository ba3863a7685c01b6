"""What a running function is made of: HTTP in, one pipeline, HTTP out."""
