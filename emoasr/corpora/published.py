"""Whether a corpus has as many recordings as its authors say."""

from collections.abc import Iterable, Mapping


def compare(found: Mapping[str, int], published: Mapping[str, int], main: Iterable[str]) -> str:
    """One line: whether counts are the published ones, and which are not.

    Args:
        found: counts, of anything that has a name.
        published: what they should be; 0 of what is not named.
        main: the counts to give where all are as published.

    >>> compare({"files": 2}, {"files": 3}, ["files"])
    'warning: counts differ from the published ones (in brackets): files 2 (3)'
    """
    names = {**published, **found}
    counts = {name: (found.get(name, 0), published.get(name, 0)) for name in names}
    wrong = [f"{name} {n} ({should})" for name, (n, should) in counts.items() if n != should]
    if wrong:
        return f"warning: counts differ from the published ones (in brackets): {', '.join(wrong)}"
    return f"counts are the published ones ({', '.join(f'{found[name]} {name}' for name in main)})"
