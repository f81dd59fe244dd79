"""See the modules of this room."""

__all__: list[str] = []
