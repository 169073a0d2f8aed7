"""The command line: one file per verb, with options and messages only. Nothing imports it."""
