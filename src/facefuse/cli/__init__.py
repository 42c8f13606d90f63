"""The command line: parse, call, print. Exit codes: 0 done, 2 usage, 3 an input could not be used, 1 anything else."""
