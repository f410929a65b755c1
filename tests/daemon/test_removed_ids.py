from edgeface.daemon.removed_ids import RemovedIds


def test_who_is_gone_since_the_last_look() -> None:
    gone: list[str] = []
    removed, unknowns = RemovedIds(gone.append, gone.append), frozenset({"u-1", "u-2"})
    removed.take(frozenset({"alice", "bob"}), unknowns)
    assert gone == []
    removed.take(frozenset({"bob", "carol"}), unknowns)
    assert gone == ["alice", "alice"]
    removed.take(frozenset({"bob"}), frozenset({"u-2"}))
    removed.take(frozenset({"bob"}), frozenset({"u-2"}))
    assert sorted(gone[2:]) == ["carol", "carol", "u-1", "u-1"]
