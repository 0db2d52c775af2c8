"""What the notebooks of the course need beyond Jupyter itself. Standard library only.

A notebook begins with

    %run ../minidock_lessons.py
    %needs images jq

and has then, besides ordinary Python:

    %%sh [--timeout SECONDS]   the cell is a shell script; a command that fails, fails the cell
    %draw [NAME...]            the picture of `minidock draw`, in the page
    %needs WHAT...             "images", "containers" or names of programs; what is missing is said

Jupyter's own ways to run a command have traps for a course, and %%sh avoids them:
`!command` does not raise when the command fails; `%%bash` feeds the cell to bash on its
standard input, so a program that reads it swallows the rest of the cell; and a child
left in the background that still holds the pipe makes the cell hang. Here the script
is a file, standard input is empty, the script has a session of its own and a time
limit, and its whole process group is killed when it ends. What must live on is
started with `docker run -d`.

Every notebook has a store of its own (MINIDOCK_ROOT), made on first use and removed
with the kernel. In a script, `fails COMMAND...` is for an experiment that must fail.
"""

import atexit
import codecs
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

TIMEOUT = 120  # seconds for a cell that names no other

# An experiment: the cell goes on only if the command fails. "! command" would go on in
# both cases, which set -e is made for.
FAILS = """#!/bin/sh
"$@" 2>&1 && { echo "this should have failed, but it worked: $*" >&2; exit 1; }
echo "(failed, as it should, with exit status $?)"
"""


class CellFailed(Exception):
    """A shell cell ended badly. Shown without Python's traceback, which explains nothing."""

    def _render_traceback_(self):
        return ["\x1b[31m%s\x1b[0m" % self]


class Missing(CellFailed):
    """The lesson needs something that this machine lacks."""


def find_binary(start=None, environ=os.environ):
    """The minidock to use: $MINIDOCK_LESSONS_BINARY; the one in bin/ of the clone that this
    file is in, built anew if it is older than its source; else one that is installed."""
    named = environ.get("MINIDOCK_LESSONS_BINARY")
    if named:
        return named
    path = os.path.dirname(os.path.realpath(start or __file__))
    while path != os.path.dirname(path):
        if os.path.isfile(os.path.join(path, "go.mod")) and os.path.isdir(os.path.join(path, "minidock")):
            return from_clone(path) or installed()
        path = os.path.dirname(path)
    return installed()


def installed():
    found = shutil.which("minidock")
    if not found:
        raise Missing("minidock is not here: install Go (https://go.dev/doc/install) so that it can be built, "
                      "or put a minidock binary on the path")
    return found


def from_clone(repository):
    """bin/minidock of a clone; None if it is not there and cannot be built."""
    binary = os.path.join(repository, "bin", "minidock")
    if is_newer(binary, os.path.join(repository, "minidock")):
        return binary
    if not shutil.which("go"):
        return binary if os.path.exists(binary) else None
    # A clone may belong to the teacher: then every student builds for himself.
    where = os.path.dirname(binary)
    if not os.access(where if os.path.isdir(where) else repository, os.W_OK):
        where = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "minidock", "lessons")
    os.makedirs(where, exist_ok=True)
    binary = os.path.join(where, "minidock")
    if is_newer(binary, os.path.join(repository, "minidock")):
        return binary
    build = subprocess.run(
        ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary + ".new", "./minidock"],
        cwd=repository, env=dict(os.environ, CGO_ENABLED="0"), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode != 0:
        raise Missing("building minidock in %s:\n%s" % (repository, build.stdout))
    os.replace(binary + ".new", binary)
    return binary


def is_newer(binary, source):
    """Whether binary is there and younger than every Go file that it is made of."""
    try:
        made = os.stat(binary).st_mtime
    except FileNotFoundError:
        return False
    for folder, _, files in os.walk(source):
        for name in files:
            if name.endswith(".go") and not name.endswith("_test.go"):
                if os.stat(os.path.join(folder, name)).st_mtime > made:
                    return False
    return True


class Notebook:
    """The surroundings of one notebook: a directory with a store, a working directory and
    a bin/ in which docker and minidock are the same program."""

    def __init__(self, binary=None):
        self.dir = tempfile.mkdtemp(prefix="minidock-lesson-")
        self.store = os.path.join(self.dir, "store")
        self.work = os.path.join(self.dir, "work")
        self.bin = os.path.join(self.dir, "bin")
        self.scripts = os.path.join(self.dir, "cells")
        self.cells = 0
        for path in (self.work, self.bin, self.scripts):
            os.mkdir(path)
        binary = os.path.abspath(binary or find_binary())
        for name in ("docker", "minidock"):
            os.symlink(binary, os.path.join(self.bin, name))
        with open(os.path.join(self.bin, "fails"), "w") as f:
            f.write(FAILS)
        os.chmod(os.path.join(self.bin, "fails"), 0o755)
        self.env = dict(os.environ, MINIDOCK_ROOT=self.store, PATH=self.bin + os.pathsep + os.environ.get("PATH", ""),
                        LC_ALL="C.UTF-8", TZ="UTC", TERM="dumb", NO_COLOR="1", COLUMNS="100")
        # A script must do the same for everybody.
        for name in ("BASH_ENV", "ENV", "CDPATH", "SOURCE_DATE_EPOCH", "MINIDOCK_MIRROR"):
            self.env.pop(name, None)

    def sh(self, text, timeout=TIMEOUT, out=None):
        """Runs a script and passes what it prints to out as it comes. Raises CellFailed."""
        # A file for each cell: bash reads a script while it runs it.
        self.cells += 1
        path = os.path.join(self.scripts, "cell%d.sh" % self.cells)
        with open(path, "w") as f:
            f.write(text)
        status = run(["bash", "-euo", "pipefail", path], self.work, self.env, timeout, out or sys.stdout)
        if status is None:
            raise CellFailed("the cell took longer than %d seconds and was stopped "
                             "(%%%%sh --timeout SECONDS allows more)" % timeout)
        if status != 0:
            raise CellFailed("a command in this cell failed (exit status %d)" % status)

    def ask(self, *args):
        """The output of one minidock command. Raises CellFailed with what it said."""
        done = subprocess.run([os.path.join(self.bin, "minidock"), *args], env=self.env, cwd=self.work, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise CellFailed((done.stderr or done.stdout).strip() or "minidock %s failed" % " ".join(args))
        return done.stdout

    def need(self, *what):
        """Says by name what is missing of what a lesson needs."""
        missing = []
        for name in what:
            if name == "containers":
                doctor = subprocess.run([os.path.join(self.bin, "minidock"), "doctor"], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if doctor.returncode != 0:
                    bad = [line for line in doctor.stdout.splitlines() if line.startswith("NO")]
                    missing.append("containers (minidock doctor says):\n    " + "\n    ".join(bad or [doctor.stdout.strip()]))
            elif name != "images" and not shutil.which(name):
                missing.append("the program %s (install the package that has it)" % name)
        if sys.platform == "win32":
            missing.append("a Unix shell: use Linux, macOS or WSL")
        if missing:
            raise Missing("this lesson needs what is not here: " + "; ".join(missing))

    def close(self):
        """Removes the containers and the directory."""
        if not os.path.isdir(self.dir):
            return
        quiet = dict(env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        minidock = os.path.join(self.bin, "minidock")
        if os.path.isdir(os.path.join(self.store, "containers")):
            ids = subprocess.run([minidock, "ps", "-aq"], env=self.env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
            if ids:
                subprocess.run([minidock, "rm", "-f", *ids], **quiet)
        shutil.rmtree(self.dir, ignore_errors=True)
        if os.path.isdir(self.dir):  # files of containers belong to subordinate ids
            subprocess.run([minidock, "unshare", "rm", "-rf", self.dir], **quiet)


def run(command, cwd, env, timeout, out):
    """Runs command in a session of its own. Returns its exit status, None when its time was up."""
    reader, writer = os.pipe()
    try:
        child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
                                 start_new_session=True)
    finally:
        os.close(writer)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    deadline = time.monotonic() + timeout
    try:
        status = None
        while status is None and time.monotonic() < deadline:
            status = child.poll()
            if status is None and copy(reader, out, decode, 0.05) is False:
                try:  # nobody can write any more, so it ends soon
                    status = child.wait(max(0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
        kill(child)
        # What is in the pipe already; who still holds it is not waited for.
        while copy(reader, out, decode, 0):
            pass
        out.write(decode(b"", True))
        return status
    finally:
        kill(child)
        os.close(reader)


def copy(reader, out, decode, wait):
    """Passes on what can be read. True: there was something; False: the end; None: nothing now."""
    if not select.select([reader], [], [], wait)[0]:
        return None
    data = os.read(reader, 1 << 16)
    out.write(decode(data))
    if hasattr(out, "flush"):
        out.flush()
    return bool(data)


def kill(child):
    """Ends every process of the child's group, of which the child is the leader."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.wait()


def pictures(svg, text):
    """A picture for every reader: SVG as such, the same as an image for those that take
    SVG apart before they show it (Jupyter if a page is not trusted, nbconvert), and text."""
    data = urllib.parse.quote(svg, safe=" /:;=,()'")
    return {"image/svg+xml": svg, "text/plain": text,
            "text/html": '<img style="max-width:100%%" alt="drawn by minidock" src="data:image/svg+xml;utf8,%s">' % data}


def parse_timeout(line):
    words = shlex.split(line)
    if not words:
        return TIMEOUT
    if len(words) == 2 and words[0] == "--timeout" and words[1].isdigit():
        return int(words[1])
    raise CellFailed("%%sh takes no option but --timeout SECONDS")


def load(shell):
    """Gives an IPython shell the magics."""
    from IPython.display import display

    old = shell.user_ns.get("_minidock_notebook")
    if old is not None:
        old.close()
    notebook = Notebook()
    shell.user_ns["_minidock_notebook"] = notebook
    atexit.register(notebook.close)

    def sh(line, cell):
        notebook.sh(cell, parse_timeout(line))

    def draw(line):
        names = shlex.split(line)
        display(pictures(notebook.ask("draw", "--svg", *names), notebook.ask("draw", "--width", "80", *names)), raw=True)

    def needs(line):
        notebook.need(*shlex.split(line))
        print("All that this lesson needs is here. To look at its store in a terminal:\n"
              "export MINIDOCK_ROOT=%s" % notebook.store)

    shell.register_magic_function(sh, "cell", "sh")
    shell.register_magic_function(draw, "line", "draw")
    shell.register_magic_function(needs, "line", "needs")


if __name__ == "__main__":
    try:
        load(get_ipython())  # noqa: F821 (IPython has it among the builtins)
    except NameError:
        sys.exit(__doc__)
