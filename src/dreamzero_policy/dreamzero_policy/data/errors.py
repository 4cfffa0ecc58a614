"""What can be wrong with a recording, by name."""

from __future__ import annotations


class BagError(ValueError):
    """A recording that cannot be used as it is."""


class NotABagError(BagError):
    """A folder or file that is no recording of ours, or no recording at all."""


class TruncatedBagError(BagError):
    """A recording that was cut off; ``recovery.recover`` mends it."""


class DamagedBagError(BagError):
    """A recording whose content is not what was written."""


class NewerFormatError(BagError):
    """A recording by a newer version of this software than reads it."""


class WrongSchemaError(BagError):
    """A topic of another type than expected, or whose messages do not fit their definition."""


class OlderMessagesError(WrongSchemaError):
    """A topic recorded with an older version of our messages, which lacks what is asked for."""


class MissingTopicError(BagError):
    """A topic that the recording does not have, or has no message of."""


class ClockJumpError(BagError):
    """A clock that was set back while it was recorded."""


class JointsChangedError(BagError):
    """Joint messages whose names or whose number change within an episode."""


class UnknownRobotError(BagError):
    """An episode of a robot that this software does not know."""
