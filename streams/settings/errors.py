"""The base of the errors that a user can put right."""


class UserError(RuntimeError):
    """Its message is for a user: it names what is wrong and what to do next. Commands print it without a traceback."""
