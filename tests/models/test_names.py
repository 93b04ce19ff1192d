"""Words for a name that does not exist."""

from models.names import no_such


def test_a_near_name_is_offered_and_few_are_listed() -> None:
    assert (
        no_such("model", "forst", ["forest", "mlp"])
        == "no model 'forst', did you mean 'forest'? there are: forest, mlp"
    )
    assert no_such("model", "x", ["forest"]) == "no model 'x'; there are: forest"
    assert no_such("model", "x", [], "train some") == "no model 'x': train some"


def test_many_names_are_cut() -> None:
    said = no_such("model", "x", [f"model-{number}" for number in range(100)])
    assert said.endswith("model-10, model-11, ...")
