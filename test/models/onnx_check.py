"""What the Python packages onnx and onnxruntime say about files of ours; called by onnx.test.ts, answers with JSON.

    onnx_check.py fields < numbers.json     {message: {field: number}} against the official messages
    onnx_check.py run MODEL X.npy Y.npy     the full checker, then the model on X: max|got - Y| / max|Y|
"""

import json
import sys

import numpy
import onnx
import onnxruntime


def fields():
    wrong = []
    for message, ours in json.load(sys.stdin).items():
        official = onnx.onnx_ml_pb2
        for part in message.split("."):
            official = getattr(official, part)
        numbers = {f.name: f.number for f in official.DESCRIPTOR.fields}
        wrong += [f"{message}.{name} = {n}, not {numbers.get(name)}" for name, n in ours.items() if numbers.get(name) != n]
    return {"wrong": wrong}


def run(path, x_path, y_path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: numpy.load(x_path)})
    want = numpy.load(y_path)
    error = numpy.abs(got.reshape(-1) - want).max() / numpy.abs(want).max()
    return {"error": float(error), "opset": model.opset_import[0].version, "ir": model.ir_version}


commands = {"fields": fields, "run": run}
print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
