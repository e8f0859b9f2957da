"""What the process exits with; scripts and service managers rely on these."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``tickertui``; a signal ends it with 128 + its number, a pipe whose reader has gone with 141."""

    OK = 0
    FAILED = 1
    """Something inside went wrong; the log file has the details. Or what there is to say could not be written."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    STORE = 3
    """The database cannot be read, is newer than the program, or is busy."""
    LOGIN = 4
    """The broker refused a login."""
    UNAVAILABLE = 5
    """A port is in use, the broker or a database server cannot be reached."""
