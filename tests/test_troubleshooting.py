"""The messages that docs/troubleshooting.md explains are the program's own."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GAP = "..."


def messages() -> list[str]:
    """Every text of the sources, with a gap for each value in it."""
    found = []
    for path in [*(ROOT / "gan_lightning").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values))
    return found


def explained() -> list[str]:
    """The messages in the first columns of docs/troubleshooting.md."""
    return re.findall(r"^\| `(.+?)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("message", explained())
def test_troubleshooting_explains_messages_that_exist(message: str) -> None:
    fragments = [fragment.strip() for fragment in message.split(GAP) if len(fragment.strip()) > 3]
    assert fragments
    assert any(all(fragment in text for fragment in fragments) for text in MESSAGES), fragments


MESSAGES = messages()
