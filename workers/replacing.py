"""Write a file that others may be reading."""

from screening.uploads.kept import put as replace_file

__all__ = ["replace_file"]
