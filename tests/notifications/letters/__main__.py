"""The rendered examples and the released versions, made anew. ::

    python -m tests.notifications.letters            write the examples again; read the difference before you commit it
    python -m tests.notifications.letters release    release every template that has not been released: from then on it never changes

A released template is one line of ``services/notifications/templates/released.yaml``. What was sent with it is kept in ``sent/``: one
message for each reader, with its values, so that no change of the code that words messages goes unseen either.
"""

import sys

from tests.notifications.letters import released
from tests.notifications.letters.stories import FOLDER, examples


def write_examples() -> int:
    """Write the example files anew, and drop those that no story tells any more. Returns how many there are."""
    written = {example.file: example.text for example in examples()}
    for stale in FOLDER.glob("*.txt"):
        if stale.name not in written:
            stale.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    return len(written)


if __name__ == "__main__":
    print(f"{write_examples()} examples")
    if sys.argv[1:] == ["release"]:
        print("released: " + (", ".join(released.release()) or "nothing new"))
