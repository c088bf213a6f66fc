"""Starts a server, finds out when it answers, and what memory and files it takes."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

POLL = 0.005  # seconds between two requests during a start
SETTLE = 2  # seconds between the last answer and reading the memory
GRACE = 15  # seconds that a server has for stopping
LEFT_OVER = {'__pycache__', 'obj', 'obj.target', '.deps'}
GLIBC = ('ld-linux', 'libc.so', 'libc-', 'libm.so', 'libm-', 'libgcc_s', 'libpthread', 'libdl', 'librt', 'libresolv')


class NotMeasured(Exception):
    """Says why a server cannot be measured here."""


class Server:
    """A running server and everything that it started."""

    def __init__(self, command, port, path, cwd, env, log, patience=60):
        self.log = log
        with before_other_work(), open(log, 'ab') as output:
            begun = time.monotonic()
            self.process = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )
            try:
                self._wait_for_answer(port, path, begun + patience)
            except BaseException:
                self.stop()
                raise
            self.start_ms = (time.monotonic() - begun) * 1000
        self._like_other_work()

    def _wait_for_answer(self, port, path, end):
        while not answers(port, path):
            if self.process.poll() is not None:
                raise NotMeasured(f'it ended with {self.process.returncode}: {last_lines(self.log)}')
            if time.monotonic() > end:
                raise NotMeasured(f'{path} was not answered with 200 in time: {last_lines(self.log)}')
            time.sleep(POLL)

    def _like_other_work(self):
        for pid in tree(self.process.pid):
            for thread in Path(f'/proc/{pid}/task').iterdir():
                schedule(int(thread.name), os.SCHED_OTHER, 0)

    def memory(self):
        """Returns PSS and RSS of the process tree in MiB."""
        time.sleep(SETTLE)
        return memory(self.process.pid)

    def mapped_files(self):
        """Returns the programs and libraries that its processes have in memory, without the C library's."""
        files = set()
        for pid in tree(self.process.pid):
            for line in Path(f'/proc/{pid}/maps').read_text().splitlines():
                fields = line.split(maxsplit=5)
                if len(fields) == 6 and fields[5].startswith('/') and os.path.isfile(fields[5]):
                    files.add(os.path.realpath(fields[5]))
        return {file for file in files if is_code(file)}

    def stop(self):
        pids = tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Postgresql:
    """A server of PostgreSQL with its defaults, on a socket in a folder of its own."""

    def __init__(self):
        found = sorted(Path('/usr/lib/postgresql').glob('*/bin/initdb')) or [
            path for path in map(Path, ('/usr/bin/initdb', '/usr/local/bin/initdb')) if path.exists()
        ]
        if not found:
            raise NotMeasured('the server programs of PostgreSQL are not installed')
        self.programs = found[-1].parent
        self.folder = Path(tempfile.mkdtemp(prefix='footprint-pg-'))
        if os.geteuid() == 0:
            shutil.chown(self.folder, 'postgres')
        self._run('initdb', '-D', self._data(), '-U', 'postgres', '-A', 'trust')
        options = f'-k {self.folder} -c listen_addresses='
        with before_other_work():  # and it stays there, so that it answers as promptly as what is measured
            self._run('pg_ctl', '-D', self._data(), '-l', str(self.folder / 'log'), '-w', '-o', options, 'start')
        self.pid = int((self.folder / 'data/postmaster.pid').read_text().split()[0])
        self.url = f'postgres:///postgres?host={self.folder}&user=postgres'
        self.version = output_of([self.programs / 'postgres', '--version']).split()[2]

    def stop(self):
        self._run('pg_ctl', '-D', self._data(), '-m', 'fast', '-w', 'stop')
        shutil.rmtree(self.folder, ignore_errors=True)

    def _data(self):
        return str(self.folder / 'data')

    def _run(self, program, *arguments):
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:  # which PostgreSQL refuses
            command = ['runuser', '-u', 'postgres', '--', *command]
        subprocess.run(command, cwd='/', check=True, stdout=subprocess.DEVNULL)


def answers(port, path):
    """Returns whether a GET is answered with 200."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
    try:
        connection.request('GET', path)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def before_other_work():
    """Puts this thread, and the processes that it starts, before all other work on the machine, where that is allowed."""
    try:
        yield schedule(0, os.SCHED_RR, 1)
    finally:
        schedule(0, os.SCHED_OTHER, 0)


def schedule(thread, policy, priority):
    """Returns whether the thread has the policy now. A thread that has ended has none."""
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
        return True
    except (PermissionError, ProcessLookupError):
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def tree(pid):
    """Returns a process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        for children in Path(f'/proc/{parent}/task').glob('*/children'):
            try:
                pids += [int(child) for child in children.read_text().split()]
            except OSError:  # it has ended
                pass
    return pids


def memory(root):
    """Returns PSS and RSS of a process and its descendants in MiB."""
    total = {'Pss:': 0, 'Rss:': 0}
    for pid in tree(root):
        for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
            name, *values = line.split()
            if name in total:
                total[name] += int(values[0])
    return total['Pss:'] / 1024, total['Rss:'] / 1024


def is_code(file):
    name = os.path.basename(file)
    with open(file, 'rb') as content:
        return content.read(4) == b'\x7fELF' and not name.startswith(GLIBC)


def size(paths):
    """Returns the MiB of files and of all files below folders, without links, bytecode and what a compiler left behind."""
    total = 0
    for path in map(Path, paths):
        files = path.rglob('*') if path.is_dir() else [path]
        total += sum(
            file.stat().st_size for file in files
            if file.is_file() and not file.is_symlink() and not LEFT_OVER.intersection(file.parts)
        )
    return total / 2**20


@contextmanager
def busy_share():
    """Measures which share of all cores was busy meanwhile; the caller reads it from the list."""
    before, result = processor_times(), []
    yield result
    busy, every = (after - then for after, then in zip(processor_times(), before))
    result.append(busy / every if every else 0.0)


def processor_times():
    fields = [int(field) for field in Path('/proc/stat').read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def output_of(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.strip()


def last_lines(log):
    return ' / '.join(Path(log).read_text(errors='replace').strip().splitlines()[-3:]) or 'it said nothing'
