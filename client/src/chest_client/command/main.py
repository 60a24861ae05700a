"""`chestctl`: the service from the command line.

Exit status: 0 every file and result has its outcome; 2 a wrong word or no login; 3 some have none; 4 the service
refused; 5 the token does not permit it; 6 the service did not answer; 7 not finished in time; 130 interrupted.
"""

import argparse
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from chest_client.client import Client
from chest_client.command import reading
from chest_client.command.exits import Exit, Misused
from chest_client.command.login import is_in_the_clear, known, log_in
from chest_client.command.places import ENVIRONMENT
from chest_client.command.sending import upload_folder
from chest_client.command.voice import Voice
from chest_client.command.watching import watch_folder
from chest_client.errors import Busy, ClientError, NotAllowed, NotSignedIn, TookTooLong, Unreachable
from chest_client.version import VERSION

ENDS: Final[tuple[tuple[type[ClientError], Exit], ...]] = (
    (NotSignedIn, Exit.NOT_PERMITTED),
    (NotAllowed, Exit.NOT_PERMITTED),
    (Unreachable, Exit.UNREACHABLE),
    (Busy, Exit.UNREACHABLE),
    (TookTooLong, Exit.NOT_FINISHED),
    (ClientError, Exit.REFUSED),
)


def run() -> None:
    """Be the command."""
    sys.exit(main(sys.argv[1:], ENVIRONMENT))


def main(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Do what the words say; the exit status."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else its lines name uploads where logging is on
    asked = _parser().parse_args(words)
    voice = Voice(as_json=asked.json)
    try:
        return _do(asked, voice, env)
    except Misused as problem:
        voice.failure("usage", str(problem), "")
        return Exit.USAGE
    except ClientError as problem:
        voice.failure(problem.code, problem.message, problem.what_to_do)
        return next(end for kind, end in ENDS if isinstance(problem, kind))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the end of Python writes there again
        return Exit.DONE
    except OSError as problem:
        voice.failure("local", f"Something of this machine cannot be used: {problem.strerror or problem}.", "")
        return Exit.USAGE
    except KeyboardInterrupt:
        voice.aside("Interrupted. The same command goes on from here.")
        return Exit.INTERRUPTED


def _do(asked: Namespace, voice: Voice, env: Mapping[str, str]) -> Exit:
    if asked.command == "login":
        return _log_in(asked.url, voice, env)
    login = known(env)
    _warn_in_the_clear(login.url, voice)
    with login.client() as client:
        if asked.command == "upload":
            return _upload(client, voice, asked, login.url)
        return ASKING[asked.command](client, voice, asked)


ASKING: Final[Mapping[str, Callable[[Client, Voice, Namespace], Exit]]] = {
    "models": lambda client, voice, _: reading.models(client, voice),
    "wait": lambda client, voice, asked: reading.wait(client, voice, asked.upload, asked.timeout),
    "results": lambda client, voice, asked: reading.results(client, voice, asked.since, asked.upload, asked.wait),
    "export": lambda client, _, asked: reading.export(client, asked.format, asked.since, asked.upload, asked.output),
    "receipt": lambda client, voice, asked: reading.receipt(client, voice, asked.upload, as_csv=asked.csv),
    "retry": lambda client, voice, asked: reading.retry(client, voice, asked.upload),
}


def _log_in(url: str, voice: Voice, env: Mapping[str, str]) -> Exit:
    _warn_in_the_clear(url, voice)
    login = log_in(url, env)
    voice.answer({"url": login.url}, f"Logged in at {login.url}.")
    return Exit.DONE


def _warn_in_the_clear(url: str, voice: Voice) -> None:
    if is_in_the_clear(url):
        voice.aside("This address is not https: whoever listens on the way learns the token.")


def _upload(client: Client, voice: Voice, asked: Namespace, url: str) -> Exit:
    folder: Path = asked.folder
    name = asked.name or folder.resolve().name.encode("utf-8", "replace").decode()
    chosen = {"name": name[:200], "models": asked.model, "modality": asked.modality, "group_by": asked.group_by}
    if asked.watch:
        watch_folder(client, voice, folder, url, chosen, quiet=asked.quiet)
    return upload_folder(client, voice, folder, url, chosen, wait=not asked.no_wait, timeout=asked.timeout)


def _parser() -> argparse.ArgumentParser:
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--json", action="store_true", help="one JSON document on stdout, for machines")
    parser = argparse.ArgumentParser(
        prog="chestctl", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"chestctl {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    login = commands.add_parser("login", parents=[both], help="store an address and a token, asked for or piped in")
    login.add_argument("url", metavar="URL")
    commands.add_parser("models", parents=[both], help="the models that can be chosen")
    _add_upload(commands.add_parser("upload", parents=[both], help="send a folder and wait for its outcomes"))
    wait = commands.add_parser("wait", parents=[both], help="wait until an upload is finished")
    wait.add_argument("upload", type=UUID, metavar="UPLOAD")
    wait.add_argument("--timeout", type=float, metavar="SECONDS")
    results = commands.add_parser("results", parents=[both], help="studies that changed after a number")
    export = commands.add_parser("export", parents=[both], help="results as a table of any size")
    export.add_argument("--format", choices=("ndjson", "csv"), default="ndjson")
    export.add_argument("--output", type=Path, metavar="FILE", help="stdout if none is named")
    for one in (results, export):
        one.add_argument("--since", type=int, default=0, metavar="N", help="a change number; 0: everything")
        one.add_argument("--upload", type=UUID, metavar="UPLOAD")
    results.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="for a change, at most so long")
    receipt = commands.add_parser("receipt", parents=[both], help="what became of every file")
    receipt.add_argument("--csv", action="store_true", help="as the service writes it")
    for one in (receipt, commands.add_parser("retry", parents=[both], help="try again what failed")):
        one.add_argument("upload", type=UUID, metavar="UPLOAD")
    return parser


def _add_upload(upload: argparse.ArgumentParser) -> None:
    upload.add_argument("folder", type=Path, metavar="FOLDER")
    upload.add_argument("--model", action="append", default=[], metavar="NAME", help="may be given several times")
    upload.add_argument("--modality", choices=("auto", "xray", "ct"), default="auto")
    upload.add_argument("--group-by", choices=("auto", "file", "folder"), default="auto", help="what makes a study")
    upload.add_argument("--name", help="for the people of the site; by default the folder's own")
    upload.add_argument("--no-wait", action="store_true", help="end once everything is sent")
    upload.add_argument("--timeout", type=float, metavar="SECONDS", help="wait for at most so long")
    upload.add_argument("--watch", action="store_true", help="go on sending what is new, until ended")
    upload.add_argument("--quiet", type=float, default=5.0, metavar="SECONDS", help="unchanged for so long is settled")


if __name__ == "__main__":
    run()
