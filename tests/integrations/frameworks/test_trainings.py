"""`feedrate why -- COMMAND` on trainings as people write them: they are not changed, and sleep for known times."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import feedrate

pytestmark = [pytest.mark.process, pytest.mark.timeout(170)]

TRAININGS = Path(__file__).parent / "trainings"
BATCH_S, STEP_S = 0.020, 0.040
"""What `pace.py` there sleeps for a batch in one process, and for a step."""
LOW, HIGH = 0.8, 1.6
"""How far off a time may be, as a multiple: machines have neighbours."""
QUICK = ("why", "-r", "1", "--seconds", "0.2", "--json")
RANKS = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@dataclass(frozen=True)
class Training:
    """A command behind `python`, and what it takes."""

    words: str
    """`ELSEWHERE` stands for a folder outside that of the script."""
    workers: int = 0
    loader_s: float = BATCH_S
    """For a batch, in one process."""
    needs: str = "torch"
    every: int = 1
    """Batches to a step of the optimizer."""
    launcher: tuple[str, ...] = ()

    @property
    def truth(self) -> dict[str, float]:
        """Give seconds a batch."""
        loader_s = self.loader_s / max(1, self.workers)
        full_s = max(STEP_S, loader_s) if self.workers else STEP_S + loader_s
        return {"full_s": full_s, "step_s": STEP_S, "loader_s": loader_s}


MEASURED = {
    "plain loop": Training("plain.py"),
    "one worker": Training("plain.py --workers 1", 1),
    "two workers by fork": Training("plain.py --workers 2 --context fork", 2),
    "two workers by spawn": Training("plain.py --workers 2 --context spawn", 2),
    "two workers by forkserver": Training("plain.py --workers 2 --context forkserver", 2),
    "gradient accumulation": Training("plain.py --every 4", every=4),
    # To shuffle many items takes its time, and is done for each of these epochs.
    "epochs broken off": Training("plain.py --most 6 --items 2000"),
    "an iterator for each batch": Training("plain.py --most 1 --items 2000"),
    "five batches in all": Training("plain.py --items 20 --epochs 1"),
    "Lightning": Training("lightning_trainer.py", needs="lightning"),
    "Transformers": Training("transformers_trainer.py ELSEWHERE 1", needs="transformers"),
    "Transformers, accumulation": Training("transformers_trainer.py ELSEWHERE 4", needs="transformers", every=4),
    "accelerate": Training("accelerated.py", 1, needs="accelerate", every=2),
    "StatefulDataLoader": Training("stateful.py", 1, needs="torchdata"),
    "WebDataset": Training("webdataset_tar.py ELSEWHERE", needs="webdataset"),
    "datasets": Training("datasets_in_memory.py", needs="datasets"),
    "validation and test": Training("several_loaders.py", 1),
    "package": Training("-m package.train"),
    "another working folder": Training("moves.py ELSEWHERE", 1),
    "Hydra": Training("hydra_arguments.py +workers=1 hydra.run.dir=ELSEWHERE", 1, needs="hydra"),
    "batches changed in place": Training("in_place.py"),
    "except Exception": Training("catches.py"),
    "two ranks": Training("two_ranks.py", loader_s=2 * BATCH_S, launcher=RANKS),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TRAININGS, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__")))


def contents(folder: Path) -> dict[str, str]:
    """Digest all files but those that feedrate and Python leave."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    named = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {name: digest for name, digest in named.items() if name.split("/")[0] not in ("logs", "results")}


def explained(folder: Path, words: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Ask why a training is as fast as it is, and demand that its folder is left as it was."""
    elsewhere, before = folder.parent / "elsewhere", contents(folder)
    elsewhere.mkdir()
    command = [sys.executable, *launcher, *words.replace("ELSEWHERE", str(elsewhere)).split()]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder.parent / "huggingface")}
    done = feedrate(folder, *QUICK, "--", *command, **offline)
    assert contents(folder) == before
    return done


@pytest.mark.parametrize("training", MEASURED.values(), ids=MEASURED.keys())
def test_a_training_is_timed_as_it_is(training: Training, folder: Path) -> None:
    pytest.importorskip(training.needs)
    done = explained(folder, training.words, training.launcher)

    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["verdict"]["kind"]
    assert answer["verdict"]["sentence"]
    times_s = {name: answer["evidence"][name]["mean"] for name in training.truth}
    ratios = {name: times_s[name] / truth_s for name, truth_s in training.truth.items()}
    print({name: f"{1e3 * times_s[name]:.1f} ms, {ratio:.2f} of the truth" for name, ratio in ratios.items()})
    assert all(LOW < ratio < HIGH for ratio in ratios.values()), ratios
    observed = observations(answer)
    assert observed["updates every"] == training.every
    assert observed["changes batches in place"] == ("in_place" in training.words)
    assert observed["ranks"] == (2 if training.launcher else 1)


def observations(answer: dict[str, Any]) -> dict[str, object]:
    (measured,) = answer["measured"]
    observed = measured["observed"]
    assert isinstance(observed, dict)
    return observed


@pytest.mark.parametrize(
    ("words", "launcher", "reason"),
    [
        ("fails.py", (), "the script failed by itself, with status 1"),
        ("no_optimizer.py", (), "no optimizer of torch made a step between the 10 batches"),
        ("plain.py --items 8 --epochs 1", (), "the script ended after 2 batches and 2 steps of its optimizer"),
        ("plain.py", RANKS, "one of 2 ranks (WORLD_SIZE) without torch.distributed: measure the script as one rank"),
    ],
)
def test_one_that_cannot_be_timed_says_why_in_one_line(
    words: str, launcher: tuple[str, ...], reason: str, folder: Path
) -> None:
    done = explained(folder, words, launcher)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("feedrate: ") and "its times" not in line]
    assert reason in line
    if words == "fails.py":
        assert "ValueError: no such label: 17" in done.stderr
