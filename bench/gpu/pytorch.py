"""PyTorch at the sizes of `npm run gpu`: reads what to measure as JSON on stdin, prints a line of JSON a row.

A row: {"ours": name of our row, "precision": "f32" | "tf32" | "f16", "samples": [ms, ...], "work": FLOP or bytes, "unit": ...}
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

from unet import UNet

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
PRECISIONS = ["f32", "tf32", "f16"] if CUDA else ["f32"]
ENOUGH_MS = 20  # of work between two events
aten = torch.ops.aten


def milliseconds(work, repeats):
    if not CUDA:
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        return (time.perf_counter() - start) * 1000 / repeats
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / repeats


def samples(work, rounds):
    for _ in range(2):  # warms up, and lets cuDNN choose
        once = milliseconds(work, 1)
    repeats = max(1, min(100, int(ENOUGH_MS / max(once, 0.01))))
    return [milliseconds(work, repeats) for _ in range(rounds)]


def emit(ours, precision, times, work=None, unit="GFLOP/s"):
    row = {"ours": ours, "precision": precision, "samples": times}
    if work is not None:
        row.update(work=work, unit=unit)
    print(json.dumps(row), flush=True)


def choose(precision):
    """Returns the type of the tensors."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return torch.float16 if precision == "f16" else torch.float32


def rand(*shape, dtype):
    return torch.rand(*shape, device=DEVICE, dtype=dtype) - 0.5


def matmul(request, rounds):
    n = request["n"]
    for precision in PRECISIONS:
        dtype = choose(precision)
        a, b = rand(n, n, dtype=dtype), rand(n, n, dtype=dtype)
        emit(request["name"], precision, samples(lambda: a @ b, rounds), 2 * n**3)


def conv(request, rounds):
    """The three passes; `L` channels on the side that the window slides over, `S` on the other."""
    B, L, S, side, k, stride = (request[key] for key in ["B", "L", "S", "side", "kernel", "stride"])
    work = 2 * B * (side // stride) ** 2 * L * S * k * k
    for precision in PRECISIONS:
        dtype = choose(precision)
        last = torch.channels_last
        x = rand(B, L, side, side, dtype=dtype).to(memory_format=last)
        w = rand(S, L, k, k, dtype=dtype).to(memory_format=last)
        dy = F.conv2d(x, w, stride=stride, padding=1)

        def back(mask):
            return aten.convolution_backward(
                dy, x, w, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, [*mask, False]
            )

        for suffix, run in [
            ("", lambda: F.conv2d(x, w, stride=stride, padding=1)),
            (", dx", lambda: back([True, False])),
            (", dw", lambda: back([False, True])),
        ]:
            emit(request["name"] + suffix, precision, samples(run, rounds), work)


def memory(request, rounds):
    a, b = (rand(request["bytes"] // 4, dtype=torch.float32) for _ in range(2))
    y = torch.empty_like(a)
    emit(request["copy"], "f32", samples(lambda: y.copy_(a), rounds), 8 * a.numel(), "GB/s")
    emit(request["triad"], "f32", samples(lambda: torch.add(a, b, alpha=2, out=y), rounds), 12 * a.numel(), "GB/s")


def launches(request, rounds):
    y = torch.zeros(4, device=DEVICE)

    def run():
        for _ in range(request["count"]):
            y.add_(1)

    emit(request["name"], "f32", samples(run, rounds))


def unet_step(request, rounds):
    B, config = request["B"], request["config"]
    data = (torch.randn(B, 3, 32, 32), torch.randn(B, config["context_input_channels"]), torch.randn(B, 3, 32, 32))
    x, context, target = (t.to(DEVICE) for t in data)
    t = torch.randint(0, 1000, (B,), device=DEVICE)
    for precision in PRECISIONS:
        choose(precision)
        net = UNet(config).to(DEVICE).to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(net.parameters(), lr=1e-4, fused=CUDA)
        scaler = torch.amp.GradScaler(DEVICE, enabled=precision == "f16")

        def run():
            with torch.autocast(DEVICE, torch.float16, enabled=precision == "f16"):
                loss = F.mse_loss(net(x, t, context), target)
            scaler.scale(loss).backward()
            scaler.step(adam)
            scaler.update()
            adam.zero_grad()

        emit(request["name"], precision, samples(run, rounds))
        del net, adam


def main():
    """Every part by itself: one that this version of PyTorch cannot run costs only itself."""
    torch.backends.cudnn.benchmark = True
    request = json.load(sys.stdin)
    parts = [(matmul, request["matmul"]), (memory, request["memory"]), (launches, request["dispatches"])]
    parts += [(unet_step, request["unet"])] if "unet" in request else []
    parts += [(conv, one) for one in request["convs"]]
    failed = []
    for part, sizes in parts:
        try:
            part(sizes, request["rounds"])
        except Exception as error:
            failed.append(f"{part.__name__}: {error}")
    if failed:
        sys.exit("\n".join(failed))


main()
