r"""Wrong inputs of every command: one sentence and a status other than 0, never a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from energy_gans.cli import main

STUDY = str(Path(__file__).parents[2] / "configs" / "studies" / "mixtures.yaml")
DIGITS = "--data EmbeddedDigits --data.digits 8x8 --data.size 8"
PIXELS = "--extractor Pixels --extractor.shape [1,8,8]"
# Nothing can be made in this folder, whoever asks.
NOWHERE = "/proc/nowhere"

# What is typed, with names of checkpoints and files in braces, and what is said.
TRAINING = {
    "fitt": "There is no command 'fitt'. Did you mean 'fit'",
    "fit": "are required: --data, --model. A config gives them: --config coulomb/ring",
    "fit coulomb/ring": "unrecognized .* coulomb/ring. Did you mean --config coulomb/ring?",
    "sample coulomb-ring": "unrecognized .* coulomb-ring. Did you mean --model coulomb-ring?",
    "report runs/x": "unrecognized .* runs/x. Did you mean --run runs/x?",
    "fit --config nosuch": "'nosuch' is no file: energy-gans configs lists those of the package",
    "fit --config {tmp}/coulomb_rin.yaml": "_rin.yaml' is no file; did you mean .*_ring.yaml",
    "fit --config {tmp}": "is a folder",
    "fit --config {tmp}/torn.yaml": "line 2, column 8 is no YAML: expected the node content",
    "fit --config {tmp}/words.yaml": "words.yaml should hold keys and values, got 'hello there'",
    "fit --config {tmp}/bytes.yaml": "bytes.yaml is no YAML: it is no text in UTF-8",
    "fit --config {config} --config {tmp}/list.yaml": (
        "'trainer' should hold keys and values, got .1."
    ),
    "fit {plane} --model FieldGenerator --model.field DriftField": (
        "no class 'DriftField'. Known are DriftingField, .+Did you mean 'DriftingField'"
    ),
    "fit {plane} --model FieldGenerator --model.field QZ": (
        "no class 'QZ'. Known are DriftingField, ElasticField,"
    ),
    "fit {plane} --model ColombGAN": "no class 'ColombGAN'. Did you mean 'CoulombGAN'",
    "fit {plane} --modell.power 3": "unrecognized arguments: --modell.power.*mean '--model",
    "fit {plane} --trainer.max_stepz 3": "unrecognized arguments:.*mean '--trainer.max_steps'",
    "fit {plane} --model GenerativeModule": "'model' = .*.GenerativeModule' is a base",
    "fit {plane} --model energy_gans.methods.GenerativeModule": (
        "is a base class: it should be a method, such as EIEGGAN, GCN, GGCN, VAPO, CoulombGAN"
    ),
    "fit {plane} --model energy_gans.methods.bases.adversarial.AdversarialModule": "a base class",
    "fit {plane} --data energy_gans.data.base.TensorDataModule": (
        "TensorDataModule does not implement 'load': give one of its subclasses"
    ),
    "fit {plane} --model.init_args.generator.init_args.in_feature 3": (
        r"generator \(.*MLP\): Option 'in_feature' is not accepted. Did you mean 'in_features'"
    ),
    "fit {plane} --model.init_args.generator_optimizer torch.optim.Adamm": (
        "model.generator_optimizer.*has no attribute 'Adamm'.*Did you mean 'Adam'"
    ),
    "fit {plane} --model.init_args.generator_optimizer torch.optim.Adam "
    "--model.init_args.generator_optimizer.lr fast": r"lr \(.*Adam\): Expected a float. Got.*fast",
    "fit {plane} --model.init_args.generator_optimizer torch.optim.SGD "
    "--model.init_args.generator_optimizer.lr=-1": (
        "The optimizer of 'generator', or its schedule, can not be made: Invalid learning rate"
    ),
    "fit {plane} --seed_everything=-1": "'seed_everything' should be from 0 to .*, got -1",
    "fit {plane} --trainer.accelerator abacus": "'trainer' can not be made: .*'abacus'",
    "fit {plane} --trainer.max_steps many": "trainer.max_steps: Expected an int. Got value: many",
    "fit {plane} --trainer.callbacks+=EMA --trainer.callbacks.decay 2": r"'decay' .*, got 2.0",
    "fit {plane} --trainer.logger.init_args.save_dir " + NOWHERE: (
        f"The run could not be written to {NOWHERE}/run, which 'trainer.logger'.*No such file"
    ),
    "fit {plane} --ckpt_path {torn}": "torn.ckpt' can not be read: it is truncated",
    "validate {plane} --ckpt_path {tmp}/none.ckpt": "none.ckpt' is neither",
    "test {plane} --ckpt_path {coulomb}": "is of another run: model",
    "predict {plane} --ckpt_path {torn}": "torn.ckpt' can not be read",
}
WORKBENCH = {
    "sample": "required: --ckpt_path",
    "sample --ckpt_path {torn}": "torn.ckpt' can not be read",
    "sample --ckpt_path {coulomb} --n none": "n: Expected an int. Got value: none",
    "sample --ckpt_path {coulomb} --out a.jpg": "'out' should end in .png or .npz or .txt, got",
    f"sample --ckpt_path {{coulomb}} --out {NOWHERE}/a.png": f"'out' = '{NOWHERE}/a.png' can not",
    "sample --ckpt {coulomb}": "unrecognized arguments: --ckpt .* mean '--ckpt_path'",
    "sample --ckpt_path {coulomb} --batch 3": "arguments: --batch 3. Did you mean '--batch_size'",
    "inpaint --ckpt_path {gcn} --s 3": (
        "--s 3. Did you mean '--square' or '--spots' or '--steps' or '--seed'"
    ),
    "features train --data Ring --bat=3": "unrecognized arguments: --bat=3. .* '--batch_size'",
    "interpolate --ckpt_path {gcn}": "holds a GCN, which has no latents",
    "interpolate --ckpt_path {coulomb} --path round": "Expected one of 'linear', 'spherical'",
    "synthesize --ckpt_path {coulomb}": "holds a CoulombGAN, which has no chains",
    "inpaint --ckpt_path {gcn} --mask cheese": "'mask' should be one of .*, got 'cheese'",
    "inpaint --ckpt_path {gcn} --square 100": "'square' = 100",
    "inpaint --ckpt_path {gcn} --spots 0.5": (
        "'spots' should be left out for 'mask' = 'square', which is not made of spots, got 0.5"
    ),
    "inpaint --ckpt_path {gcn} --mask spot --square 4": (
        "'square' should be left out for 'mask' = 'spot', which is not made of a square, got 4"
    ),
    "inpaint --ckpt_path {gcn} --mask {tmp}/hole.png --spots 0.5": "'spots' should be left out",
    "inpaint --ckpt_path {gcn} --mask {tmp}/hole.png --square 4": "'square' should be left out",
    "ood --ckpt_path {plane_ckpt}": "should hold a model of images",
    "ood --ckpt_path {gcn} --outlier_data+ SVHM": "no class 'SVHM'. Did you mean 'SVHN'",
    "landscape --ckpt_path {gcn}": "should hold a model of points in the plane",
    "landscape --ckpt_path {plane_ckpt} --time 2": "'time' should be left out",
    "report --run {run} --checkpoint worst": (
        "The run .* has no checkpoint 'worst': 'checkpoint' should be 'last'"
    ),
    "report --run {tmp}/empty": "is a folder without a checkpoint",
    "evaluate": "Either 'ckpt_path' or 'samples' should be given",
    "evaluate --samp {tmp}/torn.npz": "unrecognized arguments: --samp .* mean '--samples'",
    "evaluate --ckpt_path {coulomb} --measures fdd": "'measures' should be of .*, got 'fdd'",
    "evaluate --ckpt_path {coulomb} --extractor Pixel": "no class 'Pixel'.+Did you mean 'Pixels'",
    f"evaluate --ckpt_path {{coulomb}} {PIXELS} --out {NOWHERE}/m.json": f"'{NOWHERE}/m.json' can",
    f"evaluate --samples {{tmp}}/torn.npz {DIGITS}": "torn.npz' can not be read",
    f"evaluate --samples {{tmp}}/objects.npz {DIGITS}": "should hold an array of images",
    "compare": "required: --files",
    "compare {tmp}/words.yaml": "words.yaml' was not written by `energy-gans evaluate`",
    "study a.yaml b.yaml": "'study' should have one file, got 2: a.yaml, b.yaml",
    "study {tmp}/torn.yaml": "torn.yaml, line 2, column 8 is no YAML",
    f"study {STUDY} --methods gam": "'gam' is not a method of this study: .*Did you mean 'gan'",
    f"study {STUDY} --only 9": "'only' should be k/n",
    "features trian": "invalid choice: 'trian' .*Did you mean 'train'",
    "features train --data Ring": "'data' should be of square images, got Ring",
    f"features train {DIGITS} --out {NOWHERE}/c.pt": f"'out' = '{NOWHERE}/c.pt' can not be",
    "features picture --ckpt_path {coulomb}": "has no feature space",
    "particles --data Rin": "no class 'Rin'. Did you mean 'Ring'",
    "particles --data Ring --particles 10000000000000000": (
        "'particles' should fit into memory, got 10000000000000000 of shape .2"
    ),
    f"particles --data Ring --particles {10**30}": "should fit into memory, got 10+ of",
    "particles --data Ring --cutoff=-1": "'cutoff' should be positive and finite, got -1.0",
    "export --ckpt_path {coulomb}": "required: --out",
    "export --ckpt_path {torn} --out {tmp}/shared": "torn.ckpt' can not be read",
    "export --ckpt_path {tmp}/none --out {tmp}/shared": "none' is neither",
    "export --ckpt_path {coulomb} --out {tmp}": "exists: choose another name, or add --overwrite",
    "export --overwrite --ckpt_path {coulomb} --out {tmp}": "which `export` did not write",
    f"export --ckpt_path {{coulomb}} --out {NOWHERE}/a": f"'out' = '{NOWHERE}/a' can not be writt",
    "data": 'expected "subcommand" to be one of {prepare,verify}',
    "data prepare celeb": "invalid choice: 'celeb' .*Did you mean 'celeba'",
    "data prepare folder --source {tmp}/empty --out {tmp}/set": "empty' holds no pictures",
    "data verify --root {tmp}/empty": "empty' is no prepared set: it has no manifest.json",
}


@pytest.fixture
def names(trained: Callable[[str], str], tmp_path: Path) -> dict[str, str]:
    r"""Returns the values of the names in braces."""
    (tmp_path / "coulomb_ring.yaml").write_text("{}")
    (tmp_path / "torn.yaml").write_text("a: 3\nb: [1, :2\n")
    (tmp_path / "words.yaml").write_text("hello there")
    (tmp_path / "bytes.yaml").write_bytes(b"\x80\xff")
    (tmp_path / "list.yaml").write_text("trainer: [1]")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty").mkdir()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / "hole.png")
    np.savez(tmp_path / "objects.npz", samples=np.array([{}], dtype=object))
    known = {name: trained(name) for name in ("coulomb", "gcn", "plane")}
    (tmp_path / "torn.ckpt").write_bytes(Path(known["coulomb"]).read_bytes()[:2000])
    config = Path(known["plane"]).parents[3] / "config.yaml"
    flags = f"--config {config} --trainer.logger.init_args.save_dir {tmp_path}"
    more = {
        "config": str(config),
        "plane": flags,
        "plane_ckpt": known["plane"],
        "run": str(Path(known["gcn"]).parents[1]),
    }
    return known | more | {"tmp": str(tmp_path), "torn": str(tmp_path / "torn.ckpt")}


@pytest.mark.parametrize(("typed", "told"), [*TRAINING.items(), *WORKBENCH.items()])
def test_a_wrong_input_is_one_sentence(
    typed: str,
    told: str,
    names: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SystemExit, match=f"^energy-gans: error: .*{told}") as stop:
        main(typed.format(**names).split())
    # Python prints such a code on stderr, and exits with the status 1.
    assert isinstance(stop.value.code, str)
    assert len(stop.value.code.splitlines()) == 1
    assert "Errno" not in stop.value.code.partition("can not be written")[0]
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert "usage:" not in printed.out + printed.err


def test_a_sentence_is_all_that_a_process_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "energy_gans", "fitt"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "energy-gans: error: There is no command 'fitt'. Did you mean 'fit'?\n"
