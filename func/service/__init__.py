"""The running function: its HTTP application, its pipeline and its settings."""
