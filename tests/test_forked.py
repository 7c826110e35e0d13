"""What a forked program does is what it does if `python` starts it."""

import subprocess
from pathlib import Path

import pytest
from conftest import BIN, ENVIRONMENT, forks, with_forks

PROGRAMS = {
    "surroundings": """
import os, sys
print(os.getcwd(), sys.argv, sys.path, sorted(os.environ.items()), sys.executable, __name__)
print(sys.stdin.read(), sys.stdout.encoding, sys.stdout.line_buffering, file=sys.stderr)
""",
    "its folder's code": "from stages import other; print(other.__file__)",
    "end": """
import atexit, threading
atexit.register(print, "end")
threading.Thread(target=print, args=["thread"]).start()
""",
    "status": "import sys; print(1); sys.exit(3)",
    "message": "import sys; sys.exit('said')",
    "exception": "print(1); raise ValueError('wrong')",
    "kill": "import os; os.kill(os.getpid(), 9)",
    "child": "import subprocess, sys; sys.exit(subprocess.call(['sh', '-c', 'echo 1; exit 7']))",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "other.py").touch()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_module(folder: Path, name: str) -> None:
    (folder / "stages" / "one.py").write_text(PROGRAMS[name])
    arguments = ["-m", "stages.one", "a b", "--c"]
    expected = subprocess.run(
        [BIN / "python", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    found = forks().run(arguments, folder, ENVIRONMENT)
    assert found.returncode == expected.returncode
    assert found.stdout == expected.stdout
    assert found.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["python -m stages.one", "python -m stages.one; exit 4"])
def test_a_command_of_a_stage(folder: Path, command: str) -> None:
    (folder / "stages" / "one.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    outcome = [
        subprocess.run(
            [shell, "-c", command],
            cwd=folder,
            env=ENVIRONMENT | {"PATH": f"{BIN}:{ENVIRONMENT['PATH']}"},
            capture_output=True,
            check=False,
        )
        for shell in ("/bin/sh", with_forks()["SHELL"])
    ]
    assert outcome[0].returncode == outcome[1].returncode
    assert outcome[0].stdout == outcome[1].stdout == b"[]\n"


@pytest.mark.slow
def test_what_a_program_starts(folder: Path) -> None:
    (folder / "stages" / "one.py").write_text("""
import subprocess, sys
from pathlib import Path
python = Path(sys.executable)
code = "import sys; print(sys.argv); sys.exit(4)"
dvc = [python.with_name("dvc"), "root"]
for command in ([python, "-m", "stages.two", "a b"], [python, "-c", code], dvc):
    said = subprocess.run(command, capture_output=True)
    print(command[1:], said.returncode, said.stdout, said.stderr)
""")
    (folder / "stages" / "two.py").write_text("""
import os, sys
print(sys.argv[1:], os.getcwd())
print("forked" if "numpy" in sys.modules else "started", file=sys.stderr)
sys.exit(3)
""")
    arguments = ["-m", "stages.one"]
    expected = subprocess.run(
        [BIN / "python", *arguments], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ).stdout
    found = forks().run(arguments, folder, with_forks()).stdout
    assert "started" in expected
    assert found == expected.replace("started", "forked")
