"""The commands of the guide to networks, run with random weights, and their files compared."""

from __future__ import annotations

import re
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
import torchvision
import torchxrayvision as xrv
import transformers

from tests.networks.libraries import by_card, card, films, libraries

GUIDE = Path(__file__).resolve().parents[2] / "docs/networks.md"


def with_statistics(network: torch.nn.Module) -> torch.nn.Module:
    """Give batch normalisation something to do, as after training."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network


def weights_of_torchxrayvision(weights: str, cache_dir: str | None = None) -> str:
    """Write random weights as the library's own file would hold them."""
    path = str(Path(tempfile.mkdtemp()) / "weights.pt")
    if weights.startswith("densenet"):
        torch.save(with_statistics(xrv.models.DenseNet()), path)
        return path
    network = torchvision.models.resnet50(num_classes=18, weights=None)
    network.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    # Vectors of random weights are large; their probabilities would all be 0 or 1.
    torch.nn.init.normal_(network.fc.weight, std=1e-4)
    torch.save(with_statistics(network).state_dict(), path)
    return path


def eva_x_small(pretrained: str) -> torch.nn.Module:
    """Build what the repository of EVA-X builds."""
    size = {"img_size": 224, "patch_size": 16, "embed_dim": 384, "depth": 12, "num_heads": 6}
    rope = {"swiglu_mlp": True, "use_rot_pos_emb": True, "ref_feat_shape": (14, 14)}
    return timm.models.eva.Eva(mlp_ratio=4 * 2 / 3, **size, **rope)


class StandIn:
    """A small network in place of MedImageInsight, whose code is in no package."""

    def __init__(self, **names: str) -> None:
        self.model = torch.nn.Module()

    def load_model(self) -> None:
        trunk = timm.create_model("davit_tiny", num_classes=0)
        projection = torch.nn.Parameter(torch.randn(768, 1024) / 28)
        self.model.trunk, self.model.projection = trunk, projection

        def encode_image(image: torch.Tensor) -> torch.Tensor:
            vector = trunk(image) @ projection
            return vector / vector.norm(dim=-1, keepdim=True)

        self.model.encode_image = encode_image


def without_downloads() -> None:
    """Let everything that fetches weights give random ones."""
    tower = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "", "timm_proj": "linear"}
    create_model = timm.create_model
    timm.create_model = lambda name, pretrained=False, **more: with_statistics(
        create_model(name.partition(".")[0], pretrained=False, **more)
    )
    xrv.models.get_weights = weights_of_torchxrayvision
    dinov2 = transformers.Dinov2Config(image_size=518, patch_size=14)
    transformers.AutoModel.from_pretrained = lambda name: transformers.Dinov2Model(dinov2)
    open_clip.create_model_from_pretrained = lambda name: (
        types.SimpleNamespace(visual=open_clip.model._build_vision_tower(512, tower)),
        None,
    )
    for module, content in (
        ("eva_x", {"eva_x_small_patch16": eva_x_small}),
        ("medimageinsightmodel", {"MedImageInsight": StandIn}),
    ):
        sys.modules[module] = types.ModuleType(module)
        vars(sys.modules[module]).update(content)


def commands() -> tuple[str, dict[str, str]]:
    """Read the guide: the function that all share, and the code for each card."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    named = {re.search(r"\"([\w-]+)\.onnx\"", block)[1]: block for block in blocks[1:]}
    return blocks[0], named


def answers_of_openvino(path: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    import openvino

    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(path), "CPU", exact)
    return {
        output.get_any_name(): value.copy()
        for output, value in compiled([pixels]).to_dict().items()
    }


def answers_of_onnxruntime(path: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"film": pixels}), strict=True))


def export(name: str, folder: str, out: Path) -> dict:
    """Run the guide's code for a card; compare its file with PyTorch, on four films.

    The films, and what PyTorch says of them, lie in NAME.npz beside NAME.onnx.
    """
    shared, named = commands()
    torch.manual_seed(0)
    space: dict = {}
    exec(shared, space)  # the project's own guide
    save, kept = space["save"], {}

    def saved(network: torch.nn.Module, path: str, *more: object, **others: object) -> None:
        kept["network"] = network
        save(network, str(out / path), *more, **others)

    space["save"] = saved
    exec(named[name], space)
    given, path = card(name), out / f"{name}.onnx"
    chosen = list(films(folder, given.channels).values())[::23][:4]
    theirs = np.stack([libraries()[name](film) for film in chosen]).astype(np.float32)
    ours = np.stack([by_card(given)(film) for film in chosen]).astype(np.float32)
    with torch.no_grad():
        values = kept["network"](torch.from_numpy(theirs))
        if card(name).answers:  # what the library itself answers
            values = (*values[:-1], kept["network"].network(torch.from_numpy(theirs)))
    kept_films = {f"film_{number}": film for number, film in enumerate(chosen)}
    np.savez(path.with_suffix(".npz"), vectors=values[0].numpy(), **kept_films)
    found: dict = {"bytes": path.stat().st_size, "shapes": {}}
    for engine, run in (("openvino", answers_of_openvino), ("onnxruntime", answers_of_onnxruntime)):
        answers = run(path, ours)
        expected = [value.numpy() for value in values]
        for (output, answer), value in zip(answers.items(), expected, strict=True):
            found["shapes"][output] = list(answer.shape)
            share = np.abs(answer - value).max() / max(1.0, np.abs(value).max())
            found.setdefault(engine, {})[output] = float(share)
    return found


def all_exports(folder: str, out: Path, names: list[str]) -> dict[str, dict]:
    """Run the guide's code for some cards, or for all."""
    without_downloads()
    return {name: export(name, folder, out) for name in names or commands()[1]}
