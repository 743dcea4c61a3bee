"""Models that were signed, and those that only look like it."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from model_by_hand import manifest

from spark_cxr.errors import ConfigError, InputError, SetupError
from spark_cxr.model import load_model
from spark_cxr.model.manifest import ARRAYS, NAME, digests, write_manifest
from spark_cxr.model.signature import SIGNATURE, read_private_key
from spark_cxr.output import Output

pytest.importorskip("cryptography")


def pair(folder: Path, name: str) -> tuple[str, str]:
    """Make two key files as openssl does: the private one, and the public one."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, form))
    return str(private), str(public)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    return pair(tmp_path, "ours")


@pytest.fixture
def signed(directory: Output, keys: tuple[str, str]) -> Output:
    write_manifest(directory, manifest(digests(directory)), keys[0])
    return directory


def refusal(directory: Output, public_key: str) -> str:
    with pytest.raises(InputError) as caught:
        load_model(directory.address, public_key=public_key)
    return str(caught.value)


def test_signed_model_loads_with_and_without_its_key(signed: Output, keys: tuple[str, str]) -> None:
    for public_key in ("", keys[1], Path(keys[1])):
        assert load_model(signed.address, public_key=public_key).manifest.name == "lr-0123"


def test_unsigned_model_is_refused_where_a_signature_is_required(
    directory: Output, keys: tuple[str, str]
) -> None:
    assert refusal(directory, keys[1]) == (
        f"Expected a model signed for {keys[1]}. Received: {directory.address} without "
        "signature.json. Ask who has made the model, or train with --sign."
    )


def test_model_of_somebody_else_is_refused(signed: Output, tmp_path: Path) -> None:
    assert "signature.json, which does not fit" in refusal(signed, pair(tmp_path, "theirs")[1])


def test_model_that_was_changed_and_sealed_anew_is_refused(
    signed: Output, keys: tuple[str, str]
) -> None:
    write_manifest(signed, manifest(digests(signed), name="lr-other"))
    assert load_model(signed.address).manifest.name == "lr-other"
    assert "which does not fit" in refusal(signed, keys[1])


def test_changed_file_of_a_signed_model_is_refused(signed: Output, keys: tuple[str, str]) -> None:
    path = Path(signed.address, ARRAYS)
    path.write_bytes(path.read_bytes() + b" ")
    assert f"{ARRAYS}, changed since" in refusal(signed, keys[1])


def test_signature_of_another_model_is_refused(
    signed: Output, keys: tuple[str, str], tmp_path: Path
) -> None:
    other = Output(str(tmp_path / "other"))
    shutil.copytree(signed.address, other.address)
    write_manifest(other, manifest(digests(other), name="lr-other"), keys[0])
    shutil.copy(Path(signed.address, SIGNATURE), Path(other.address, SIGNATURE))
    assert "which does not fit" in refusal(other, keys[1])


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        '{"algorithm": "Ed25519"}',
        '{"algorithm": "none", "signature": ""}',
        '{"algorithm": "Ed25519", "signature": "?"}',
        '{"algorithm": "Ed25519", "signature": ""}',
        '{"algorithm": "Ed25519", "signature": 3}',
        json.dumps({"algorithm": "Ed25519", "signature": "A" * 70_000}),
    ],
)
def test_signature_that_is_none_is_refused(
    signed: Output, keys: tuple[str, str], record: str
) -> None:
    Path(signed.address, SIGNATURE).write_text(record)
    assert SIGNATURE in refusal(signed, keys[1])


def test_what_is_no_key_is_refused(directory: Output, keys: tuple[str, str]) -> None:
    for wrong in (keys[0], str(Path(directory.address, NAME)), "/none", directory.address):
        with pytest.raises(ConfigError, match="a public Ed25519 key in PEM as --require-signature"):
            load_model(directory.address, public_key=wrong)
    for wrong in (keys[1], "/none"):
        with pytest.raises(ConfigError, match="a private Ed25519 key in PEM as --sign"):
            read_private_key(wrong)


def test_without_the_package_the_way_out_is_named(
    signed: Output, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(SetupError, match=r"pip install 'spark-cxr\[sign\]'"):
        load_model(signed.address, public_key=keys[1])
    assert load_model(signed.address).manifest.name == "lr-0123"
