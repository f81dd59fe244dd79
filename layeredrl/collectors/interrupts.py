"""Ctrl-C between two steps, never within one."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class InterruptGuard:
    """While it is entered, the first Ctrl-C is noted and the second one raises.

    Lets a loop end where everything is consistent, so that a checkpoint can be written.
    Outside the main thread, where signals cannot be handled, it notes nothing.

    Attributes:
        is_requested: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        """Start without a request."""
        self.is_requested = False
        self._before: Any = None

    def __enter__(self) -> "InterruptGuard":
        """Take over the signal."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the signal back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
