# The work of ../flow/flow.mjs on TaskFlow: one flow, run to its end; says what it took, without the start of the process.
#   python3 flow.py linear|unordered|revert|graph N
import contextlib
import json
import os
import sys
import time

from taskflow import engines, exceptions, task
from taskflow.patterns import graph_flow, linear_flow, unordered_flow
from taskflow.persistence import backends

kind, n = sys.argv[1], int(sys.argv[2])
undone = 0


class Step(task.Task):
    def __init__(self, i, requires=()):
        super().__init__(name=f't{i}', provides=f'x{i}', requires=requires)
        self.i = i

    def execute(self, **needs):
        return self.i

    def revert(self, **needs):
        global undone
        undone += 1


class Last(task.Task):
    def execute(self):
        raise RuntimeError('the last task fails')


backend = None
if kind != 'graph':
    backend = backends.fetch({'connection': 'sqlite:///' + os.path.abspath('flows.db')})
    with contextlib.closing(backend.get_connection()) as connection:
        connection.upgrade()

patterns = {'unordered': unordered_flow.Flow, 'graph': graph_flow.Flow}
started = time.perf_counter()
flow = patterns.get(kind, linear_flow.Flow)('bench')
# In the graph each task needs what one of the twenty before it gives.
steps = [Step(i, [f'x{max(0, i - 1 - ((i * 7) % 20))}'] if kind == 'graph' and i > 0 else ()) for i in range(n)]
if kind == 'revert':
    steps.append(Last(name='last'))
flow.add(*steps)
if kind == 'graph':
    started = time.perf_counter()
# As many tasks at once as it does by itself: one.
engine = engines.load(flow, backend=backend)
try:
    engine.run()
except RuntimeError:
    if kind != 'revert':
        raise
ms = (time.perf_counter() - started) * 1000
state = engine.storage.get_flow_state()
if state != 'REVERTED' or undone != n if kind == 'revert' else state != 'SUCCESS' or len(engine.storage.fetch_all()) != n:
    raise SystemExit(f'ended {state}, {undone} undone')
print(json.dumps({'ms': ms}))
