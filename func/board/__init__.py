"""The fleet as a web page on loopback, for the people who run it; never part of the function."""
