"""The process: what it prints, how it is told to end and does, what is written of a crash, the log, exit codes.

The command line, the commands and the engine call it; the services take the words for an error from here. Imports the
clock of `market` and nothing else of this program.
"""
