"""What py-spy writes is summed up by the lines of a person's script."""

from __future__ import annotations

from feedrate.records.code_place import CodePlace
from feedrate.runner.script_profile import places_in, standstill

SITE = "/opt/env/lib/python3.11/site-packages"
FETCH = f"fetch ({SITE}/torch/utils/data/_utils/fetch.py:54)"
MAIN = 'process 7:"python train.py";<module> (/home/me/train.py:30);train (/home/me/train.py:20)'
WORKER = 'process 7:"python train.py";process 9:"python train.py";<module> (/home/me/train.py:30)'
STACKS = f"""
{WORKER};{FETCH};__getitem__ (/home/me/data.py:41);load ({SITE}/numpy/lib/_npyio_impl.py:3) 71
{WORKER};{FETCH};__getitem__ (/home/me/data.py:44) 9
{WORKER};{FETCH};__getitem__ ({SITE}/torchvision/datasets/folder.py:245);open ({SITE}/PIL/Image.py:9) 20
{WORKER};_worker_loop ({SITE}/torch/utils/data/_utils/worker.py:3);get (/usr/lib/python3.11/queues.py:4) 500
{MAIN};backward ({SITE}/torch/_tensor.py:5) 30
{MAIN};next ({SITE}/torch/utils/data/dataloader.py:7) 400
{MAIN};serve (/src/feedrate/metering/script/rounds.py:7) 400
process 7:"python train.py";_bootstrap (/usr/lib/python3.11/threading.py:1) 900
py-spy> not a stack
"""


def test_fetching_is_told_by_the_innermost_own_line_and_what_it_calls() -> None:
    assert places_in(STACKS, "loader") == (
        CodePlace("__getitem__", "data.py", 41, "numpy", 0.71),
        CodePlace("__getitem__", "folder.py", 245, "PIL", 0.2),
        CodePlace("__getitem__", "data.py", 44, "", 0.09),
    )


def test_the_step_is_what_the_thread_of_the_script_does_outside_of_loading() -> None:
    assert places_in(STACKS, "step") == (CodePlace("train", "train.py", 20, "torch", 1.0),)


def test_nothing_is_said_where_nothing_was_met() -> None:
    assert places_in("", "loader") == ()


DUMP = """Process 7: python train.py
Python v3.11.7 (/usr/bin/python3.11)

Thread 7 (idle): "MainThread"
    poll (/usr/lib/python3.11/selectors.py:415)
    train (/home/me/train.py:20)
    <module> (/home/me/train.py:30)
Thread 8 (idle): "QueueFeeder"
    wait (/home/me/other.py:1)
"""
BELOW = f"""Process 9: python train.py
Python v3.11.7 (/usr/bin/python3.11)

Thread 9 (idle): "MainThread"
    collect ({SITE}/polars/frame.py:9)
    __getitem__ (/home/me/data.py:41)
    {FETCH}
"""


def test_a_standstill_is_told_by_the_own_line_of_each_main_thread_and_the_library_it_is_in() -> None:
    assert standstill([DUMP, BELOW, BELOW]) == (
        "the process that trains stands at train.py:20, in selectors;"
        " a process below it stands at data.py:41, in polars"
    )
    assert standstill([]) == ""
