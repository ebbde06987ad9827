"""The one exception whose text is meant for the person at the keyboard."""


class UserError(Exception):
    """A mistake that its user can mend.

    The text is one line that names the file, field or flag, and the remedy; commands print it
    without a traceback and exit with status 1.
    """
