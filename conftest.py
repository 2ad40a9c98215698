"""Ctrl-C works in the tests however they were started: what a shell starts in the background ignores it."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
