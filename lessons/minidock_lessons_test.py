"""Tests of minidock_lessons.py with plain Python: python3 lessons/minidock_lessons_test.py"""

import io
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import minidock_lessons as lessons  # noqa: E402


def fake_minidock(directory):
    """A program that tells how it was called."""
    path = os.path.join(directory, "fake")
    with open(path, "w") as f:
        f.write('#!/bin/sh\ncase $1 in doctor) echo "NO  kernel  too old"; exit 1;; nothing) echo sorry >&2; exit 1;; esac\n'
                'echo "$(basename "$0") $* $MINIDOCK_ROOT"\n')
    os.chmod(path, 0o755)
    return path


class Cells(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.notebook = lessons.Notebook(fake_minidock(self.tmp.name))

    def tearDown(self):
        self.notebook.close()
        self.assertFalse(os.path.exists(self.notebook.dir))
        self.tmp.cleanup()

    def sh(self, text, timeout=20):
        out = io.StringIO()
        self.notebook.sh(text, timeout, out)
        return out.getvalue()

    def failing(self, text, timeout=20):
        out = io.StringIO()
        with self.assertRaises(lessons.CellFailed) as caught:
            self.notebook.sh(text, timeout, out)
        return out.getvalue(), str(caught.exception)

    def test_both_names_are_one_program(self):
        store = self.notebook.store
        self.assertEqual(self.sh("docker a; minidock b"), "docker a %s\nminidock b %s\n" % (store, store))

    def test_a_failure_fails_the_cell(self):
        self.assertEqual(self.failing("echo one; false; echo two")[0], "one\n")
        self.assertIn("exit status 3", self.failing("exit 3")[1])

    def test_a_failure_within_a_pipe_fails_too(self):
        self.failing("false | cat")

    def test_an_unset_variable_fails(self):
        self.assertIn("nowhere", self.failing("echo $nowhere")[0])

    def test_fails(self):
        self.assertEqual(self.sh("fails sh -c 'echo no; exit 4'; echo on"),
                         "no\n(failed, as it should, with exit status 4)\non\n")
        self.assertIn("it worked: true", self.failing("fails true")[0])

    def test_standard_input_is_empty(self):
        # A script on standard input would be eaten by cat, and the echo be lost.
        self.assertEqual(self.sh("cat\necho after"), "after\n")

    def test_it_is_the_leader_of_its_session(self):
        self.assertEqual(self.sh("[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader"), "leader\n")

    def test_a_child_that_holds_the_pipe_is_not_waited_for(self):
        start = time.monotonic()
        self.assertEqual(self.sh("sleep 60 & echo $! > pid; echo done"), "done\n")
        self.assertLess(time.monotonic() - start, 10)
        self.assertGone()

    def test_one_with_a_session_of_its_own_neither(self):
        start = time.monotonic()
        self.sh("setsid sh -c 'echo $$ > pid; exec sleep 20' & until [ -s pid ]; do sleep 0.05; done")
        self.assertLess(time.monotonic() - start, 10)
        self.sh("kill $(cat pid)")

    def test_time_limit(self):
        start = time.monotonic()
        out, error = self.failing("echo begun; sleep 60 & echo $! > pid; wait", 1)
        self.assertEqual(out, "begun\n")
        self.assertIn("longer than 1 seconds", error)
        self.assertLess(time.monotonic() - start, 10)
        self.assertGone()

    def test_time_limit_without_output(self):
        start = time.monotonic()
        self.failing("exec >&- 2>&-; sleep 60", 1)
        self.assertLess(time.monotonic() - start, 10)

    def assertGone(self):
        with open(os.path.join(self.notebook.work, "pid")) as f:
            pid = int(f.read())
        for _ in range(100):
            try:
                with open("/proc/%d/stat" % pid) as f:
                    if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return
            except OSError:
                return
            time.sleep(0.05)
        self.fail("process %d still runs" % pid)

    def test_files_stay_from_cell_to_cell(self):
        self.sh("echo kept > note; cd /")
        self.assertEqual(self.sh("cat note"), "kept\n")

    def test_much_output_and_odd_bytes(self):
        self.assertEqual(len(self.sh("head -c 1000000 /dev/zero | tr '\\0' x")), 1000000)
        self.assertEqual(self.sh("printf 'ü'; printf '\\377'"), "ü\ufffd")

    def test_ask(self):
        self.assertEqual(self.notebook.ask("draw"), "minidock draw %s\n" % self.notebook.store)
        with self.assertRaisesRegex(lessons.CellFailed, "^sorry$"):
            self.notebook.ask("nothing")

    def test_need(self):
        self.notebook.need("images", "sh")
        with self.assertRaisesRegex(lessons.Missing, "no-such-program"):
            self.notebook.need("no-such-program")
        with self.assertRaisesRegex(lessons.Missing, "kernel  too old"):
            self.notebook.need("containers")

    def test_parse_timeout(self):
        self.assertEqual(lessons.parse_timeout(""), lessons.TIMEOUT)
        self.assertEqual(lessons.parse_timeout(" --timeout 7"), 7)
        with self.assertRaises(lessons.CellFailed):
            lessons.parse_timeout("--time 7")


class Pictures(unittest.TestCase):
    def test_no_byte_of_a_picture_ends_the_attribute(self):
        html = lessons.pictures('<svg a="b">#&%</svg>\n', "text")["text/html"]
        self.assertEqual(html.count('"'), 6)
        self.assertIn("utf8,%3Csvg a=%22b%22%3E%23%26%25%3C/svg%3E%0A", html)


class Binary(unittest.TestCase):
    def test_named(self):
        self.assertEqual(lessons.find_binary(environ={"MINIDOCK_LESSONS_BINARY": "/x"}), "/x")

    def test_walks_up_to_the_clone(self):
        with tempfile.TemporaryDirectory() as top:
            top = os.path.realpath(top)
            for name in ("minidock", "bin", "lessons/02"):
                os.makedirs(os.path.join(top, name))
            for name in ("go.mod", "minidock/main.go", "bin/minidock"):
                with open(os.path.join(top, name), "w"):
                    pass
            old, new = (1, 1), (2, 2)
            os.utime(os.path.join(top, "minidock/main.go"), old)
            os.utime(os.path.join(top, "bin/minidock"), new)
            start = os.path.join(top, "lessons/02/helper.py")
            self.assertEqual(lessons.find_binary(start, {}), os.path.join(top, "bin/minidock"))
            os.utime(os.path.join(top, "minidock/main.go"), (3, 3))
            self.assertFalse(lessons.is_newer(os.path.join(top, "bin/minidock"), os.path.join(top, "minidock")))


if __name__ == "__main__":
    unittest.main()
