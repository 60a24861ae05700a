"""A worker that warms a model while a heat map waits imports TensorFlow once."""

import importlib
import sys
import threading
import time

from ml.models.first_import import import_tensorflow


def test_threads_that_need_tensorflow_at_once_import_it_one_after_the_other(monkeypatch):
    within, most, asked = 0, 0, []
    counting = threading.Lock()

    def slow(name: str) -> None:
        nonlocal within, most
        with counting:
            within += 1
            most = max(most, within)
            asked.append(name)
        time.sleep(0.02)
        with counting:
            within -= 1

    monkeypatch.setattr(importlib, "import_module", slow)
    threads = [threading.Thread(target=import_tensorflow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    assert asked == ["tensorflow", "keras"] * 4


def test_whoever_imports_it_first_is_told_and_nobody_after(monkeypatch):
    told = []
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(importlib, "import_module", lambda name: sys.modules.setdefault(name, importlib))

    for _ in range(2):
        import_tensorflow(lambda: told.append("keras" in sys.modules))

    assert told == [True]
