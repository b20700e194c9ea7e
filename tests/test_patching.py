"""Attributes are replaced in one place, and put back exactly."""

from __future__ import annotations

from types import ModuleType

from unstuck.agent.patching import Patches


class Base:
    def greet(self) -> str:
        return "base"


def test_restore_puts_the_same_object_back() -> None:
    """What a class defined itself is there again, identical."""

    class Own(Base):
        def greet(self) -> str:
            return "own"

    before = vars(Own)["greet"]
    patches = Patches()
    patches.replace(Own, "greet", lambda self: "patched")
    assert "patched" == Own().greet()
    assert [] == patches.restore()
    assert vars(Own)["greet"] is before


def test_restore_of_an_inherited_attribute_leaves_nothing() -> None:
    """What was only inherited is not copied down into the class."""

    class Heir(Base):
        pass

    patches = Patches()
    patches.replace(Heir, "greet", lambda self: "patched")
    patches.restore()
    assert "greet" not in vars(Heir)
    assert "base" == Heir().greet()


def test_restore_keeps_descriptors() -> None:
    """Static methods and properties come back as they were, not as what they evaluate to."""

    class Owner:
        @staticmethod
        def fixed() -> int:
            return 1

        @property
        def computed(self) -> int:
            return 2

    before = dict(vars(Owner))
    patches = Patches()
    patches.replace(Owner, "fixed", staticmethod(lambda: 3))
    patches.replace(Owner, "computed", 4)
    patches.restore()
    assert all(vars(Owner)[name] is before[name] for name in ("fixed", "computed"))


def test_attribute_replaced_twice() -> None:
    """Two replacements of one attribute are undone backwards, down to the first state."""

    class Owner:
        value = "first"

    patches = Patches()
    patches.replace(Owner, "value", "second")
    patches.replace(Owner, "value", "third")
    assert [] == patches.restore()
    assert "first" == Owner.value


def test_attribute_replaced_by_somebody_else_meanwhile() -> None:
    """It is theirs now: left alone and named; what is ours is still put back."""

    class Owner:
        ours = theirs = "before"

    patches = Patches()
    patches.replace(Owner, "ours", "patched")
    patches.replace(Owner, "theirs", "patched")
    Owner.theirs = "somebody else's"
    assert ["Owner.theirs"] == patches.restore()
    assert ("before", "somebody else's") == (Owner.ours, Owner.theirs)


def test_attribute_that_stood_nowhere() -> None:
    """A new attribute of a module or an instance is gone after restoring."""
    module = ModuleType("somewhere")
    patches = Patches()
    patches.replace(module, "added", 1)
    patches.restore()
    assert not hasattr(module, "added")


def test_restore_twice() -> None:
    """The second time there is nothing left to undo."""

    class Owner:
        value = "before"

    patches = Patches()
    patches.replace(Owner, "value", "patched")
    patches.restore()
    Owner.value = "changed later"
    assert [] == patches.restore()
    assert "changed later" == Owner.value
