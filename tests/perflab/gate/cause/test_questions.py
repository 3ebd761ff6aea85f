"""Each exact figure that there is can be asked for its cause, and few questions stand for many."""

from benchmarks.micro.catalogue import COUNTED
from perflab.gate.cause.questions import MOST, Question, QuestionKind, choice, question_of
from perflab.gate.command import METRICS
from perflab.gate.reach import traced_for


def test_every_figure_of_instructions_and_operations_has_a_question() -> None:
    asked = [name for name in METRICS if name.startswith(("counts.", "cpu.", "disk.", "memory."))]
    assert asked
    assert [name for name in asked if question_of(name) is None] == []
    for name in METRICS:
        question = question_of(name)
        if question is not None and question.kind is QuestionKind.MICRO:
            assert question.what in COUNTED


def test_a_growth_is_that_of_the_larger_size() -> None:
    assert question_of("instructions.encode_1MiB_growth") == question_of("instructions.encode_1MiB")


def test_one_question_stands_for_many_figures_and_batches_for_themselves_alone() -> None:
    red = [
        "counts.bytes.store_many.8",
        "counts.bytes.store.8",
        "counts.c_calls.store.32",
        "unknown",
    ]
    [(question, figures)] = choice(red).items()
    assert question == Question(QuestionKind.OPERATION, "store", "8")
    assert figures == red[1:3]
    [only] = choice(red[:1])
    assert only.what == "store_many"


def test_there_are_only_so_many_questions() -> None:
    exact = [name for name in METRICS if name.startswith(("counts.", "instructions."))]
    assert len(choice(exact)) == MOST


def test_memory_is_looked_at_beside_what_runs_meanwhile() -> None:
    kinds = [each.kind for each in choice(["memory.record.8", "memory.durable_record.8"])]
    assert kinds == [QuestionKind.KEPT, QuestionKind.OPERATION]


def test_what_lives_leave_is_also_asked_of_their_ends() -> None:
    [end, delete] = choice(["memory.life_deletes"])
    assert {end.what, delete.what} == {"life_end", "life_delete"}
    assert traced_for("memory.life_deletes") == question_of("memory.life_deletes")


def test_what_a_quiet_minute_takes_is_also_asked_of_its_upkeep() -> None:
    figure = "counts.longest_slice.quiet_links"
    assert {each.what for each in choice([figure])} == {traced_for(figure).what, "upkeep"}  # type: ignore[union-attr]
