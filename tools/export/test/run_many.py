"""Runs exporters in forks of one process that has imported what takes seconds, for tests that need many runs.

    python run_many.py <runs at a time> '[{"name": "a", "exporter": "export_clip.py", "args": ["model", "out"]}]'

Prints a line of JSON for each run, as soon as it ends: `{"name": "a", "ended": 0, "stdout": "…", "stderr": "…"}`. With
`"mostFileBytes"` no file of the run can be larger, as on a disk that is full.
"""

import json
import os
import resource
import runpy
import sys
import tempfile
import traceback
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
EXPORTERS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXPORTERS))

# Nothing is computed here: threads of torch would not be there in a fork.
import captioner  # noqa: E402, F401
import check  # noqa: E402, F401
import precision  # noqa: E402, F401
import source  # noqa: E402, F401
import towers  # noqa: E402, F401


def main(most: int, runs: list[dict]) -> None:
    under_way = {}
    for run in runs:
        if len(under_way) == most:
            _tell_next(under_way)
        output = (tempfile.TemporaryFile(), tempfile.TemporaryFile())
        pid = os.fork()
        if pid == 0:
            _become(run, *output)
        under_way[pid] = (run["name"], output)
    while under_way:
        _tell_next(under_way)


def _become(run: dict, stdout, stderr) -> None:
    """The run, to the end of this process."""
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    if "mostFileBytes" in run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["mostFileBytes"],) * 2)
    sys.argv = [str(EXPORTERS / run["exporter"]), *run["args"]]
    code = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _tell_next(under_way: dict) -> None:
    """Waits for the run that ends next."""
    pid, status = os.wait()
    name, output = under_way.pop(pid)
    told = {"name": name, "ended": os.waitstatus_to_exitcode(status)}
    for key, file in zip(("stdout", "stderr"), output):
        file.seek(0)
        told[key] = file.read().decode()
        file.close()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
