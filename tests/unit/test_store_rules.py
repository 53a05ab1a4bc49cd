"""What nobody may write, because the embedded database stands still for it."""

import ast
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "services"
#: Collections that no transaction writes: `login_failures`, and parts of studies.
ALONE = {"services/common/lockouts.py", "services/portfolio_builder/jobs/files.py"}


def many_without_session(source: str) -> list[int]:
    """Lines that change many rows of a collection outside a transaction."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"update_many", "delete_many"}
        and not isinstance(node.args[0], ast.Constant)  # of Store: the name of a collection
        and "session" not in {each.arg for each in node.keywords}
    ]


def test_many_rows_are_changed_in_transactions() -> None:
    """`Store.update_many` says why, and does it."""
    found = {
        f"{path.relative_to(SERVICES.parent)}:{line}"
        for path in SERVICES.rglob("*.py")
        for line in many_without_session(path.read_text())
    }
    assert {place.partition(":")[0] for place in found} == ALONE, found


def test_one_that_does_is_found() -> None:
    source = 'store["orders"].update_many({"working": True}, {"$set": {"a": 1}})'
    assert many_without_session(source) == [1]
