"""PyTorch on the CPU as a child of `npm run bench -- peers`: the tasks and the lines of JSON of bench/peers/protocol.ts."""

import base64
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from nets import ArcFace, Decoder, Ir, SmallNet, input_of, load, paper_unet

FILL, MOST, LONG = 25, 20, 8000
LR = {"adam": 1e-2, "unet": 1e-4, "small": 1e-3, "ir": 1e-4}


def forward(work):
    held = {}

    def run():
        with torch.no_grad():
            held["y"] = work()

    return run, lambda: held["y"].numpy()


def steps(loss, optimizer):
    losses = []

    def run():
        value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if len(losses) < 2:
            losses.append(value.item())

    return run, lambda: np.array(losses)


def adam(parameters, name):
    return torch.optim.Adam(parameters, lr=LR[name], fused=True)


def adam_job(n):
    w = input_of("w", n).requires_grad_()
    w.grad = input_of("g", n)
    return adam([w], "adam").step, lambda: w.detach().numpy()


def unet_job(task):
    net, side, context = paper_unet(task["size"])
    B = task["B"]
    x, c, target = input_of("x", B, 3, side, side), input_of("context", B, context), input_of("target", B, 3, side, side)
    t = torch.tensor([(37 * i + 500) % 1000 for i in range(B)])
    if not task["steps"]:
        return forward(lambda: net(x, t, c))
    return steps(lambda: F.mse_loss(net(x, t, c), target), adam(net.parameters(), "unet"))


def small_step(task):
    net, B = load(SmallNet()), task["B"]
    x, truth = input_of("image", B, 3, task["side"], task["side"]), torch.arange(B) % 10
    return steps(lambda: F.cross_entropy(net(x), truth), adam(net.parameters(), "small"))


def ir_step(task):
    B, net = task["B"], load(Ir(task["net"])).train()
    x, truth = input_of("image", B, 3, 112, 112), torch.arange(B)
    if task["head"] == "arcface":
        head = load(ArcFace(task["classes"]))
        logits = lambda: head(net(x), truth)
    else:
        head = load(torch.nn.ModuleDict({"head": torch.nn.Linear(512, task["classes"])}))
        logits = lambda: head["head"](net(x))
    sgd = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=LR["ir"], momentum=0.9)
    return steps(lambda: F.cross_entropy(logits(), truth), sgd)


def prepare(task):
    """Returns (run, result)."""
    op = task["op"]
    if op == "matmul":
        a, b = input_of("a", task["n"], task["n"]), input_of("b", task["n"], task["n"])
        return forward(lambda: a @ b)
    if op == "conv":
        B, I, O, side = (task[k] for k in ["B", "I", "O", "side"])
        last = torch.channels_last
        x, w = input_of("x", B, I, side, side).to(memory_format=last), input_of("w", O, I, 3, 3).to(memory_format=last)
        return forward(lambda: F.conv2d(x, w, padding=1))
    if op == "attention":
        q, k, v = (input_of(name, 1, task["heads"], task["L"], task["D"]) for name in "qkv")
        return forward(lambda: F.scaled_dot_product_attention(q, k, v))
    if op == "softmax":
        x = input_of("x", task["rows"], task["cols"])
        return forward(lambda: x.softmax(-1))
    if op == "groupNorm":
        x = input_of("x", task["B"], task["C"], task["side"], task["side"])
        w, b = input_of("w", task["C"]), input_of("b", task["C"])
        return forward(lambda: F.group_norm(x, task["groups"], w, b))
    if op == "adam":
        return adam_job(task["n"])
    if op == "unet":
        return unet_job(task)
    if op == "decode":
        net, z = load(Decoder(task["size"])), input_of("z", 1, 3, task["side"], task["side"])
        return forward(lambda: net(z))
    if op == "ir":
        net, x = load(Ir(task["net"])).eval(), input_of("image", task["B"], 3, 112, 112)
        return forward(lambda: net(x))
    return {"irStep": ir_step, "smallStep": small_step}[op](task)


def sample_of(result):
    """protocol.ts#sampleOf"""
    flat = np.ascontiguousarray(result, dtype=np.float32).reshape(-1)
    n, count = flat.size, 4096
    if n > count:
        at = np.floor(np.arange(count) * (n - 1) / (count - 0.37)).astype(np.int64)
        at[-1] = n - 1
    else:
        at = np.arange(n)
    norm = float(np.sqrt(np.square(flat.astype(np.float64)).sum()))
    return {"size": n, "values": base64.b64encode(flat[at].tobytes()).decode(), "norm": norm}


class Session:
    def __init__(self):
        self.run = self.result = None
        self.runs_before, self.ms, self.repeats = 1, 0, 1

    def time(self, runs):
        start = time.perf_counter()
        for _ in range(runs):
            self.run()
        return (time.perf_counter() - start) * 1000

    def check(self):
        for _ in range(1, self.runs_before):
            self.ms = self.time(1)
        sample = sample_of(self.result())
        if self.ms < LONG:
            self.ms = self.time(1)
        self.repeats = min(MOST, max(1, round(FILL / self.ms)))
        return {"ms": self.ms, "sample": sample}

    def answer(self, request):
        if request["do"] == "prepare":
            task = request["task"]
            self.run, self.result = prepare(task)
            self.runs_before = 2 if task["op"] in ("irStep", "smallStep") or task.get("steps") else 1
            self.ms = self.time(1)
            return {"firstMs": self.ms}
        if request["do"] == "check":
            return self.check()
        if request["do"] == "run":
            return {"ms": self.time(self.repeats) / self.repeats}
        self.run = self.result = None
        return {}


def main():
    torch.set_num_threads(os.cpu_count() or 1)
    session = Session()
    adapter = f"CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"name": "PyTorch", "version": torch.__version__, "adapter": adapter}), flush=True)
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
