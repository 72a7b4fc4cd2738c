"""The loop: one encoder, one loss, one accuracy, whatever the task. It yields metrics and knows no paths, no
processes and no pages.

    plan = make_plan(task, images, minutes=1)
    training = Training(task, images, plan)
    for metrics in training.run(): ...
"""

from sslviz.plan import Plan
from sslviz.train.draws import HELDOUT, Images, bind, seed_for
from sslviz.train.loop import Metrics, Training
from sslviz.train.planning import make_plan

__all__ = ["HELDOUT", "Images", "Metrics", "Plan", "Training", "bind", "make_plan", "seed_for"]
