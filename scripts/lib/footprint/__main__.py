"""Measures start-up, memory and installed size of auth-service and of other servers, side by side.

`scripts/bench footprint` runs it as: python3 scripts/lib/footprint PROGRAM FOLDER [PEERS]
The servers are started in turns, so that all of them meet the same machine. PEERS is copied into FOLDER and not written to.
"""

import os
import platform
import shutil
import signal
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers import NotMeasured, before_other_work, busy_share, memory, size
from subjects import subjects

STARTS = 5
LOGINS = 200
AT_A_TIME = 2
QUIET = 0.15  # the share of busy processor time under which the machine counts as idle
WAITING = 10  # seconds to wait for that, at most, before each start


class Measured:
    def __init__(self, subject):
        self.subject = subject
        self.starts = []
        self.idle, self.worked, self.database = None, None, None
        self.own = self.runtime = 0.0


def main(program, folder, peers=None):
    folder = Path(folder).resolve()
    shutil.rmtree(folder / 'data', ignore_errors=True)
    found, shares = [], []
    try:
        for subject in prepared(folder, Path(program).resolve(), peers):
            found.append(Measured(subject))
        for turn in range(1, STARTS + 1):
            for measured in list(found):
                shares.append(wait_until_quiet())
                try:
                    measure(measured, last=turn == STARTS)
                except NotMeasured as error:
                    print(f'skip  {measured.subject.name}: {error}', file=sys.stderr)
                    measured.subject.close()
                    found.remove(measured)
            print(f'turn {turn} of {STARTS}; load average {os.getloadavg()[0]:.2f}', file=sys.stderr)
    finally:
        for measured in found:
            measured.subject.close()
        shutil.rmtree(folder / 'data', ignore_errors=True)
    report(found, shares)


def prepared(folder, program, peers):
    """Yields what can be measured here, and says what cannot."""
    if peers:
        shutil.copytree(peers, folder / 'peers', dirs_exist_ok=True)
        peers = folder / 'peers'
    else:
        print('PEERS is not set: only auth-service is measured.', file=sys.stderr)
    for subject in subjects(folder / 'data', program, peers):
        if isinstance(subject, str):
            print(f'skip  {subject}', file=sys.stderr)
        else:
            yield subject


def wait_until_quiet():
    """Waits for a quarter of a second in which the machine was idle; returns the busy share of the last one."""
    end = time.monotonic() + WAITING
    while True:
        with busy_share() as share:
            time.sleep(0.25)
        if share[0] < QUIET or time.monotonic() > end:
            return share[0]


def measure(measured, last):
    """One start; the last one is also looked at and worked with."""
    server = measured.subject.start()
    try:
        measured.starts.append(server.start_ms)
        if last:
            measured.idle = server.memory()
            with ThreadPoolExecutor(AT_A_TIME) as pool:
                list(pool.map(lambda number: measured.subject.login(number % 2), range(LOGINS)))
            measured.worked = server.memory()
            if measured.subject.database:
                measured.database = memory(measured.subject.database.pid)
            add_sizes(measured, server)
    finally:
        server.stop()


def add_sizes(measured, server):
    own = [os.path.realpath(path) for path in measured.subject.own_files()]
    mapped = [file for file in server.mapped_files() if not any(file == o or file.startswith(o + '/') for o in own)]
    measured.own = size(own)
    measured.runtime = size([*mapped, *measured.subject.runtime_files()])


def report(found, shares):
    print(f'\n{machine()}; load average {os.getloadavg()[0]:.2f}; busy before a start: {statistics.median(shares):.0%} of the '
          f'processors in the median, {max(shares):.0%} at most.')
    with before_other_work() as first:
        order = 'before' if first else 'beside'
    print(f'Start: from exec to the first 200, on existing data, median of {STARTS} (shortest to longest), '
          f'scheduled {order} other work.\n'
          f'Memory: PSS of all processes (RSS), after the start and after {LOGINS} logins, {AT_A_TIME} at a time.\n'
          'Size: files of the project with its libraries + runtime and shared libraries, without glibc.\n')
    print('| | start | idle | after logins | size | needs |\n| --- | --- | --- | --- | --- | --- |')
    for measured in found:
        print(row(measured))
    print()
    for measured in found:
        for line in notes(measured):
            print(line)
    print('Not measured: speed, more than two users, more than one process of each.')


def row(measured):
    starts = sorted(measured.starts)
    start = f'{milliseconds(statistics.median(starts))} ({milliseconds(starts[0])} to {milliseconds(starts[-1])})'
    sizes = f'{measured.own:.1f} + {measured.runtime:.1f} MiB'
    cells = [measured.subject.name, start, mebibytes(measured.idle), mebibytes(measured.worked), sizes, measured.subject.needs]
    return f"| {' | '.join(cells)} |"


def notes(measured):
    subject = measured.subject
    yield f'{subject.name}: {subject.version()}; asked for {subject.path}; {subject.settings}'
    if subject.work != 'logins':
        yield f'  instead of logins: {subject.work}'
    if measured.database:
        yield f'  PostgreSQL {subject.database.version} beside it, after the logins: {mebibytes(measured.database)}'


def machine():
    model = [line for line in Path('/proc/cpuinfo').read_text().splitlines() if line.startswith('model name')]
    name = model[0].split(': ', 1)[1] if model else platform.machine()
    return f'{os.cpu_count()} cores, {name}, Linux {platform.release()}'


def milliseconds(value):
    return f'{value:.0f} ms' if value < 1000 else f'{value / 1000:.2f} s'


def mebibytes(values):
    return f'{values[0]:.1f} ({values[1]:.1f}) MiB'


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is stopped
    main(*sys.argv[1:])
