"""A model of the contract, and a machine that holds the function to it step by step."""
