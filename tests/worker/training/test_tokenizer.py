from pathlib import Path

import pytest

from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.scenes import WHOLE_WORLD, sample_scene
from worker.training.text_encoder import tokenize
from worker.training.tokenizer import LENGTH, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return build_tokenizer(tmp_path_factory.mktemp("vocabulary"), seed=0, captions=2000)


@pytest.mark.parametrize("text", ["", "a quokka on a zeppelin", "猫 🚀 ñandú", "!!!", "cat " * 100])
def test_any_text_can_be_read(tokenizer: object, text: str) -> None:
    tokens = tokenize(tokenizer, [text])

    assert tokens.shape == (1, LENGTH)
    assert int(tokens.max()) < len(tokenizer)  # type: ignore[arg-type]


def test_a_word_of_the_world_is_one_token(tokenizer: object) -> None:
    tokens = tokenize(tokenizer, ["a cat wearing a space helmet"])

    assert int((tokens != tokenizer.eos_token_id).sum()) == 1 + 6  # type: ignore[attr-defined]


def test_no_caption_is_cut(tokenizer: object) -> None:
    chance = chance_for("captions")

    tokens = tokenize(tokenizer, [caption(sample_scene(WHOLE_WORLD, seed), chance) for seed in range(2000)])

    assert (tokens[:, -1] == tokenizer.eos_token_id).all()  # type: ignore[attr-defined]


def test_the_vocabulary_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        build_tokenizer(tmp_path / name, seed=3, captions=500)

    assert (tmp_path / "first/merges.txt").read_text() == (tmp_path / "second/merges.txt").read_text()
