"""Writes the small models in `exported/`, as the exporters of other libraries make them.

Needs far more than the tests do, so it is run by hand, when an exporter has changed its ways:

    pip install torch onnxscript keras scikit-learn skl2onnx onnxruntime
    KERAS_BACKEND=torch python -m tests.workloads.onnx_import.export_models

Each model comes with a few inputs and what its own library, not ONNX Runtime, computes of them.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

os.environ.setdefault("KERAS_BACKEND", "torch")

FOLDER = Path(__file__).parent / "exported"
IMAGES = 3

#: Makes a model and gives (its bytes, inputs, outputs).
Exported = tuple[bytes, Any, Any]


def torch_modules() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return modules with the shape of what they take, without the batch."""
    import torch
    import torch.nn.functional as F  # noqa: N812  -- as everybody does
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.norm = nn.BatchNorm2d(out)
            self.second = nn.Conv2d(out, out, 3, 1, 1)
            self.skip = nn.Conv2d(channels, out, 1, stride)

        def forward(self, x: Any) -> Any:
            return F.relu(self.second(F.relu(self.norm(self.first(x)))) + self.skip(x))

    class SqueezeExcite(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

        def forward(self, x: Any) -> Any:
            share = F.adaptive_avg_pool2d(x, 1)
            return x * torch.sigmoid(self.up(F.silu(self.down(share))))

    class SqueezeExciteLinear(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)

        def forward(self, x: Any) -> Any:
            share = x.mean(dim=(2, 3))
            share = F.hardsigmoid(self.up(F.relu(self.down(share))))
            return x * share.view(x.size(0), -1, 1, 1)

    class Shuffle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.grouped = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3, padding=1, groups=2)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
            return self.grouped(x)

    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

        def forward(self, x: Any) -> Any:
            a, b = self.conv(x).chunk(2, dim=1)
            c, d = torch.split(torch.cat([torch.tanh(b), a[:, 1:], a[:, :1]], 1), [3, 5], dim=1)
            return self.last(torch.cat([d, c], 1).mean([-1, -2]))

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv1d(3, 6, 3, stride=2, padding=1), nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            x = F.max_pool1d(F.leaky_relu(self.conv(x), 0.1), 2)
            return F.log_softmax(self.last(x.mean(-1)), dim=1)

    class Upsampling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(7, 3, 3, 1, 1)

        def forward(self, x: Any) -> Any:
            small = F.elu(self.down(x))
            large = F.interpolate(small, scale_factor=2.0, mode="nearest")
            return self.up(torch.cat([large, x], 1))

    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(1, 4, 3), nn.Linear(4 * 9, 5)
            self.scale = nn.Parameter(torch.randn(4, 1, 1))

        def forward(self, x: Any) -> Any:
            x = F.avg_pool2d(self.conv(x) * self.scale, 2)
            return torch.softmax(self.last(x.view(x.size(0), -1)), dim=-1)

    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.mix = nn.Conv2d(3, 5, 2), nn.Linear(5, 6)

        def forward(self, x: Any) -> Any:
            x = F.gelu(self.mix(self.conv(x).permute(0, 2, 3, 1)))
            return F.adaptive_max_pool2d(x.permute(0, 3, 1, 2), 1).flatten(1)

    class VisionTransformer(nn.Module):
        """As timm writes it: one matrix for queries, keys and values."""

        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.first = nn.Parameter(torch.randn(1, 1, 8))
            self.positions = nn.Parameter(torch.randn(1, 7, 8))
            self.norm1, self.qkv, self.out = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 24), nn.Linear(8, 8)
            self.norm2, self.up, self.down = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 16), nn.Linear(16, 8)
            self.last = nn.Linear(8, 5)

        def forward(self, x: Any) -> Any:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat((self.first.expand(x.shape[0], -1, -1), x), dim=1) + self.positions
            n, tokens, channels = x.shape
            heads = self.qkv(self.norm1(x)).reshape(n, tokens, 3, 2, 4).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*heads.unbind(0))
            x = x + self.out(mixed.transpose(1, 2).reshape(n, tokens, channels))
            x = x + self.down(F.gelu(self.up(self.norm2(x))))
            return self.last(x[:, 0])

    class Decoder(nn.Module):
        """As nanoGPT writes it, with a mask that is filled in, or as one product of attention."""

        vocabulary = 11

        def __init__(self, *, filled: bool) -> None:
            super().__init__()
            self.filled = filled
            self.words, self.positions = nn.Embedding(self.vocabulary, 8), nn.Embedding(9, 8)
            self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
            self.last = nn.Linear(8, self.vocabulary, bias=False)
            self.register_buffer("below", torch.tril(torch.ones(9, 9)).view(1, 1, 9, 9))

        def forward(self, ids: Any) -> Any:
            n, tokens = ids.shape
            x = self.words(ids) + self.positions(torch.arange(tokens))
            parts = self.qkv(self.norm(x)).split(8, dim=2)
            q, k, v = (each.view(n, tokens, 2, 4).transpose(1, 2) for each in parts)
            if self.filled:
                scores = (q @ k.transpose(-2, -1)) * 0.5
                scores = scores.masked_fill(self.below[:, :, :tokens, :tokens] == 0, float("-inf"))
                mixed = scores.softmax(-1) @ v
            else:
                mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).contiguous().view(n, tokens, 8))
            return self.last(x)

    class MultiHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.attention(x, x, x, need_weights=False)[0]

    torch.manual_seed(7)
    return {
        "cnn": (
            nn.Sequential(
                nn.Conv2d(3, 6, 3, padding=1, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Dropout(0.5),
                nn.Flatten(),
                nn.Linear(6 * 16, 10),
            ),
            (3, 8, 8),
        ),
        "residual": (
            nn.Sequential(Residual(3, 6, 2), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(6, 4)),
            (3, 9, 9),
        ),
        "depthwise": (
            nn.Sequential(
                nn.Conv2d(3, 6, 1),
                nn.Hardswish(),
                nn.Conv2d(6, 6, 3, 2, 1, groups=6),
                nn.ReLU6(),
                nn.Conv2d(6, 4, 1),
                nn.BatchNorm2d(4),
                nn.SiLU(),
            ),
            (3, 8, 7),
        ),
        "gelu": (
            nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 5), nn.GELU("tanh"), nn.Mish()),
            (6,),
        ),
        "activations": (
            nn.Sequential(
                nn.Conv2d(2, 3, 1),
                nn.PReLU(),
                nn.ELU(0.7),
                nn.SELU(),
                nn.Softplus(),
                nn.Softsign(),
                nn.Hardtanh(-0.4, 0.5),
                nn.Tanh(),
                nn.Hardsigmoid(),
                nn.Sigmoid(),
                nn.LeakyReLU(0.3),
            ),
            (2, 4, 5),
        ),
        "squeeze-excite": (nn.Sequential(nn.Conv2d(3, 6, 3), SqueezeExcite(6)), (3, 6, 5)),
        "squeeze-excite-linear": (nn.Sequential(nn.Conv2d(3, 6, 3), SqueezeExciteLinear(6)), (3, 6, 5)),
        "channel-shuffle": (Shuffle(), (3, 5, 4)),
        "split": (Split(), (3, 6, 5)),
        "sequence": (Sequence(), (3, 17)),
        "upsampling": (Upsampling(), (3, 6, 8)),
        "views": (Views(), (1, 8, 8)),
        "channels-last": (ChannelsLast(), (3, 6, 5)),
        "padding": (
            nn.Sequential(
                nn.ZeroPad2d((1, 0, 2, 1)),
                nn.Conv2d(3, 4, 3, dilation=2),
                nn.ReflectionPad2d(1),
                nn.Conv2d(4, 3, 3, padding="same", padding_mode="zeros"),
                nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
            ),
            (3, 9, 8),
        ),
        "multi-head": (MultiHead(), (5, 8)),
        "vision-transformer": (VisionTransformer(), (3, 8, 12)),
        "decoder": (Decoder(filled=False), (6,)),
        "decoder-filled": (Decoder(filled=True), (6,)),
    }


def from_torch(dynamo: bool) -> Iterator[tuple[str, Callable[[], Exported]]]:
    """Yield models as one of PyTorch's two exporters writes them."""
    import torch

    for name, (module, shape) in torch_modules().items():

        def export(module: Any = module, shape: tuple[int, ...] = shape) -> Exported:
            torch.manual_seed(7)
            module.eval()
            inputs = torch.randn(IMAGES, *shape)
            if hasattr(module, "vocabulary"):
                inputs = torch.randint(0, module.vocabulary, (IMAGES, *shape))
            with torch.no_grad():
                for each in module.modules():  # statistics as they are after training
                    if isinstance(each, torch.nn.BatchNorm2d):
                        each.running_mean.normal_()
                        each.running_var.uniform_(0.5, 2.0)
                outputs = module(inputs)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                batch: dict[str, Any] = (
                    {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False}
                    if dynamo
                    else {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]}
                )
                torch.onnx.export(module, (inputs,), path, dynamo=dynamo, **batch)
                return path.read_bytes(), inputs.numpy(), outputs.numpy()

        yield f"torch-{'dynamo' if dynamo else 'script'}-{name}", export


def from_keras() -> Iterator[tuple[str, Callable[[], Exported]]]:
    """Yield models as Keras writes them, channels last."""
    import keras
    from keras import layers

    def convolutional() -> Any:
        return keras.Sequential(
            [
                layers.Input((9, 8, 3)),
                layers.Rescaling(1 / 2, offset=0.1),
                layers.ZeroPadding2D(1),
                layers.Conv2D(6, 3, strides=2, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(max_value=6.0),
                layers.DepthwiseConv2D(3, padding="same"),
                layers.UpSampling2D(2),
                layers.Conv2D(5, 3, padding="same", activation="silu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, activation="softmax"),
            ]
        )

    def pooled() -> Any:
        return keras.Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Conv2D(4, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.AveragePooling2D(2, padding="same"),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(6, activation="gelu"),
                layers.Dense(3),
            ]
        )

    def residual() -> Any:
        first = layers.Input((6, 7, 3))
        x = layers.Conv2D(4, 3, padding="same")(first)
        y = layers.Conv2D(4, 1)(first)
        x = layers.Add()([x, y])
        share = layers.GlobalAveragePooling2D(keepdims=True)(x)
        share = layers.Dense(4, activation="sigmoid")(share)
        x = layers.Multiply()([x, share])
        x = layers.Concatenate()([x, y])
        return keras.Model(first, layers.SeparableConv2D(7, 3)(x))

    def dense() -> Any:
        return keras.Sequential(
            [
                layers.Input((6,)),
                layers.Dense(8, activation="tanh"),
                layers.LeakyReLU(negative_slope=0.2),
                layers.Dense(4, activation="hard_silu"),
            ]
        )

    def sequence() -> Any:
        return keras.Sequential(
            [
                layers.Input((12, 3)),
                layers.Conv1D(5, 3, strides=2, activation="elu"),
                layers.GlobalMaxPooling1D(),
                layers.Dense(2),
            ]
        )

    for build in (convolutional, pooled, residual, dense, sequence):

        def export(build: Callable[[], Any] = build) -> Exported:
            keras.utils.set_random_seed(7)
            model = build()
            for weight in model.weights:  # biases and statistics as they are after training
                if len(weight.shape) == 1:
                    weight.assign(np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape))
            inputs = np.random.default_rng(7).normal(size=(IMAGES, *model.input_shape[1:])).astype(np.float32)
            outputs = np.asarray(model.predict(inputs, verbose=0))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                model.export(path, format="onnx", verbose=False)
                return path.read_bytes(), inputs, outputs

        yield f"keras-{build.__name__}", export


def from_sklearn() -> Iterator[tuple[str, Callable[[], Exported]]]:
    """Yield models as skl2onnx writes those of scikit-learn."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_diabetes, load_iris
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    iris, diabetes = load_iris(return_X_y=True), load_diabetes(return_X_y=True)
    binary = (iris[0][:100], iris[1][:100])
    models = {
        "mlp-classifier": (MLPClassifier(hidden_layer_sizes=(8,), random_state=7, max_iter=300), iris, False),
        "mlp-binary": (
            MLPClassifier(hidden_layer_sizes=(5,), activation="tanh", random_state=7, max_iter=300),
            binary,
            False,
        ),
        "mlp-regressor": (
            MLPRegressor(hidden_layer_sizes=(7, 5), random_state=7, max_iter=300),
            diabetes,
            False,
        ),
        "logistic": (LogisticRegression(max_iter=500), iris, True),
        "logistic-binary": (LogisticRegression(), binary, False),
        "linear": (LinearRegression(), diabetes, False),
        "scaled-logistic": (make_pipeline(StandardScaler(), LogisticRegression()), iris, False),
        "scaled-mlp": (
            make_pipeline(
                MinMaxScaler(),
                MLPClassifier(hidden_layer_sizes=(6,), activation="logistic", random_state=7, max_iter=500),
            ),
            iris,
            True,
        ),
    }
    for name, (model, (features, targets), zipmap) in models.items():

        def export(
            model: Any = model, features: Any = features, targets: Any = targets, zipmap: bool = zipmap
        ) -> Exported:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(features, targets)
            inputs = features[:: len(features) // IMAGES][:IMAGES].astype(np.float32)
            classifies = hasattr(model, "predict_proba")
            outputs = model.predict_proba(inputs) if classifies else model.predict(inputs)[:, None]
            options = {"zipmap": zipmap} if classifies else None
            made = to_onnx(model, inputs[:1], options=options)
            return made.SerializeToString(), inputs, outputs

        yield f"sklearn-{name}", export


def without_notes(content: bytes) -> bytes:
    """Return a model without what its exporter noted on where each node came from."""
    model = onnx.load_model_from_string(content)
    graphs = [model.graph, *model.functions]
    for each in [*graphs, *(node for graph in graphs for node in graph.node), *model.graph.value_info]:
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    for each in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        each.ClearField("metadata_props")
    model.ClearField("metadata_props")
    return bytes(model.SerializeToString())


def main() -> None:
    """Write every model."""
    FOLDER.mkdir(exist_ok=True)
    for name, export in (
        *from_torch(dynamo=False),
        *from_torch(dynamo=True),
        *from_keras(),
        *from_sklearn(),
    ):
        content, inputs, outputs = export()
        content = without_notes(content)
        (FOLDER / f"{name}.onnx").write_bytes(content)
        np.savez_compressed(FOLDER / f"{name}.npz", inputs=inputs, outputs=outputs.astype(np.float32))
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
