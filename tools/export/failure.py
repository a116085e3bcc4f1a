"""Why an export ends, in words for the person who started it."""


class ExportError(Exception):
    """The model can't be exported, or an exported graph doesn't do what torch does."""

    exit_code = 1


class UsageError(ExportError):
    """The command was asked for something that makes no sense."""

    exit_code = 2
