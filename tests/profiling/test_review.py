from nilometer.profiling.review import REVIEWED, WATCHED, Review
from nilometer.values.entity import Role


def test_names_that_do_not_appear_in_a_review_are_told_at_its_end() -> None:
    review = Review()
    review.begin(Role.INPUT, {"a", "b"})
    review.begin(Role.OUTPUT, {"y"})
    review.begin(Role.INPUT, {"late"})  # another one is running
    for _ in range(REVIEWED - 1):
        assert not review.see(Role.INPUT, ["a"])
        assert not review.see(Role.OUTPUT, [])
    assert not review.see(Role.INPUT, ["x"])
    assert review.see(Role.OUTPUT, []) == {Role.INPUT: {"b"}, Role.OUTPUT: {"y"}}
    assert not review.is_watching


def test_a_name_that_comes_again_is_not_one_of_a_single_request() -> None:
    review = Review()
    review.add(Role.INPUT, "o.a", 1)
    review.add(Role.INPUT, "o.b", 1)
    review.add(Role.INPUT, "other", 1)
    review.see(Role.INPUT, ["o.b"])
    assert review.once(Role.INPUT, "o.") == {"o.a"}
    review.remove(Role.INPUT, {"o.a"})
    assert review.once(Role.INPUT, "") == {"other"}


def test_names_of_single_requests_are_not_watched_for_good() -> None:
    review = Review()
    review.add(Role.INPUT, "a", 1)
    review.forget_quiet(1 + WATCHED)
    assert review.is_watching
    review.forget_quiet(2 + WATCHED)
    assert not review.is_watching
