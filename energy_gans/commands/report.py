def report(run: str) -> None:
    pass
