"""Being told when a module has been imported, without importing it.

Laws:
- One small object on ``sys.meta_path`` for each module waited for; it finds nothing by itself and leaves
  when it has done its work.
- Spec and loader look as ever: the real loader is put back before the module's code runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def after_import(name: str, then: Callable[[], None]) -> None:
    """Call ``then`` once module ``name`` has been imported; the same wish a second time is ignored."""
    finder = next((each for each in sys.meta_path if isinstance(each, Finder) and each.name == name), None)
    if finder is None:
        sys.meta_path.insert(0, Finder(name, then))
    elif then not in finder.wishes:
        finder.wishes.append(then)


def forget(name: str) -> None:
    """Wait for the import of ``name`` no longer."""
    for finder in [each for each in sys.meta_path if isinstance(each, Finder) and each.name == name]:
        sys.meta_path.remove(finder)


class Finder:
    """Waits on ``sys.meta_path`` for one module."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self.name, self.wishes = name, [then]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec as the other finders give it, with a loader that tells us afterwards."""
        if fullname != self.name:
            return None
        spec = self._spec_of_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = TellingLoader(spec.loader, self)  # type: ignore[assignment]
        return spec

    def _spec_of_others(self, *query: Any) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(*query)
                if spec is not None:
                    return spec
        return None


class TellingLoader:
    """The module's own loader, save that somebody is told when it is done."""

    def __init__(self, loader: Any, finder: Finder) -> None:
        self._loader, self._finder = loader, finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        """Put the real loader back where it belongs, let it do its work, then tell."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for then in self._finder.wishes:
            then()
