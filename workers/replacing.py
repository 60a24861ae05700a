"""Write a file that others may be reading."""

import secrets
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Put bytes in a file's place so that no reader ever sees half of them.

    Raises:
        OSError: they could not be written; what was there stands.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
