"""The benchmark's own error, apart from all that needs psutil."""


class BenchError(RuntimeError):
    """A measurement is not possible or not valid; the message says why and what to do."""
