"""Topic files that all rooms may use."""

__all__: list[str] = []
