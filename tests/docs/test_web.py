r"""Tests for docs/web: what the build writes, and the page in a real browser."""

import contextlib
import functools
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import torch

import energy_gans
from energy_gans.characters import read_lines
from energy_gans.data import EmbeddedDigits

from .browser import Browser, browser, find_chromium, serve

ROOT = Path(__file__).parents[2]
# A potential, a flow, images, images with holes, and text.
NAMES = ["coulomb-ring", "vapo-grid", "field-fashion-mnist", "inpainting-digits"]
NAMES += ["ngrams-python-help"]
ONNX = ("onnx", "onnxscript", "onnxruntime")
STATUS = "document.querySelector('#status').textContent"
# The words that say that particles have been followed.
FOLLOWED = f"/Followed \\d+ particles/.test({STATUS})"
# The canvases of an image with a hole, and of the filled image.
CANVASES = "document.querySelectorAll('.pair canvas')"
# The first hole is filled, and the sheet of samples is drawn.
FIRST_FILLED = f"{CANVASES}[1]?.getAttribute('aria-label')?.includes('a hole of 256 pixels')"
SAMPLED = "document.querySelector('canvas.images')?.getAttribute('aria-label')"
# The texts of all elements of a kind, and the number of different values of a sheet of images.
TEXTS = "[...document.querySelectorAll('TAG')].map(e => e.textContent)"
PIXELS = (
    "new Set(document.querySelector('canvas.images').getContext('2d')"
    ".getImageData(0, 0, 200, 200).data).size"
)


@pytest.fixture(scope="module")
def build_page() -> Iterator[ModuleType]:
    folder = str(ROOT / "docs/web")
    sys.path.insert(0, folder)
    yield importlib.import_module("build_page")
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, build_page: ModuleType) -> Path:
    r"""Returns a folder that stands for the npm package onnxruntime-web."""
    folder = tmp_path_factory.mktemp("onnxruntime-web")
    (folder / "dist").mkdir()
    (folder / "package.json").write_text('{"version": "1.2.3"}')
    for name in build_page.RUNTIME:
        (folder / "dist" / name).write_text(name)
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, build_page: ModuleType, runtime: Path) -> Path:
    for name in ONNX:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"The page is not built: it needs {name}.")
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    out = tmp_path_factory.mktemp("site") / "web"
    # The rules of torch.onnx are made once, which takes longer than to apply them.
    once = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    with mock.patch.object(ONNXRegistry, "from_torchlib", once):
        build_page.build(out, NAMES, runtime)
    return out


def cards(page: Path) -> dict[str, dict]:
    listed = json.loads((page / "models.json").read_text())["models"]
    return {card["name"]: card for card in listed}


# The build


def test_cards_say_what_a_model_can_do(page: Path) -> None:
    found = cards(page)
    assert list(found) == NAMES
    ring, flow, images, holes, text = found.values()
    latents = {"latents": {"shape": [None, 2], "draw": "normal", "below": None}}
    assert ring["functions"] == {"sampler": latents, "potential": {"x": {"shape": [None, 2]}}}
    assert (ring["method"], ring["data"], ring["steps"]) == ("CoulombGAN", "Ring", 600)
    assert set(flow["functions"]) == {"potential", "field"}
    times = torch.linspace(0, 1, 21).tolist()
    assert flow["flow"]["times"] == pytest.approx(times)
    assert flow["flow"]["potential_times"] == pytest.approx(times)
    # The field of this generator has no potential.
    assert set(images["functions"]) == {"sampler"} and images["shape"] == [1, 32, 32]
    assert "plane" not in images and "fd" in images["numbers"]
    shapes = {"y": [None, 1, 32, 32], "known": [None, 1, 32, 32]}
    assert holes["functions"]["fill"] == {name: {"shape": x} for name, x in shapes.items()}
    assert holes["images"] == 8 and "images" not in images
    assert len(text["vocabulary"]) <= text["shape"][0] == 128 and "plane" not in text
    # The square of the plane holds all real points.
    real = torch.tensor(ring["plane"]["real"])
    assert (real > torch.tensor(ring["plane"]["low"])).all()
    assert (real < torch.tensor(ring["plane"]["high"])).all()


def test_references_are_outputs_of_the_models(page: Path) -> None:
    reference = json.loads((page / "coulomb-ring/reference.json").read_text())["sampler"]
    z = torch.tensor(reference["inputs"]["latents"]).reshape(-1, 2)
    x = energy_gans.load("coulomb-ring").decode(z)
    torch.testing.assert_close(torch.tensor(reference["output"]).reshape(-1, 2), x)


def test_images_for_holes_are_held_out_ones(page: Path) -> None:
    shipped = json.loads((page / "inpainting-digits/images.json").read_text())
    y = torch.tensor(shipped).reshape(8, 32, 32) / 127.5 - 1
    data = EmbeddedDigits()
    data.setup("validate")
    held_out = data.to_samples(torch.cat([y for y, _ in data.val_dataloader()]))
    distances = (y[:, None] - held_out[:, 0]).flatten(2).abs().amax(2).amin(1)
    assert (distances < 1 / 127).all() and y.std(0).max() > 0.5


def test_without_images_a_model_has_no_holes(
    build_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_models = importlib.import_module("build_models")

    def fail(*args: object) -> None:
        raise FileNotFoundError("There are no data.")

    monkeypatch.setattr(build_models, "load_data", fail)
    (entry,) = build_page.find_models(["inpainting-digits"])
    model = energy_gans.load("inpainting-digits")
    images, sentences = build_models.images_for_holes(entry, model)
    assert not len(images)
    assert build_models.functions_of(model, holes=False) == {"sampler.onnx"}
    assert sentences == [
        "Holes are left out, as there are no images to paint them into: There are no data."
    ]


def test_the_states_of_a_flow_are_near_those_of_its_own_solver(page: Path) -> None:
    reference = json.loads((page / "vapo-grid/reference.json").read_text())["flow"]
    model = energy_gans.load("vapo-grid")
    z = torch.tensor(reference["inputs"]["x"]).reshape(-1, 2) / model.omega
    end = torch.tensor(reference["output"]).reshape(-1, 2)
    # Modes have a standard deviation of 0.07.
    torch.testing.assert_close(end, model.decode(z), rtol=0, atol=0.02)


def test_a_page_holds_its_files_and_no_others(page: Path, build_page: ModuleType) -> None:
    found = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    written = {path.name for path in (ROOT / "docs/web").iterdir()}
    sources = {name for name in written if name.endswith((".html", ".css", ".js"))}
    models = {
        f"{card['name']}/{name}"
        for card in cards(page).values()
        for name in ("reference.json", *(f"{function}.onnx" for function in card["functions"]))
    }
    models.add("inpainting-digits/images.json")
    ort = {f"ort/{name}" for name in build_page.RUNTIME}
    assert found == sources | models | ort | {"models.json"}


def test_a_model_without_its_data_is_shown_where_its_samples_are(
    build_page: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_models = importlib.import_module("build_models")

    def fail(*args: object) -> None:
        raise FileNotFoundError("There are no data.")

    monkeypatch.setattr(build_models, "load_data", fail)
    (entry,) = build_page.find_models(["coulomb-ring"])
    plane = build_models.card_of(entry, energy_gans.load("coulomb-ring"))["plane"]
    assert plane["real"] == []
    # The modes lie on a circle of radius 1.
    assert all(-3 < low < -1 for low in plane["low"]) and all(1 < x < 3 for x in plane["high"])


def test_names_of_no_model_are_refused(
    build_page: ModuleType, runtime: Path, tmp_path: Path
) -> None:
    message = r"'models' should be names out of \[.*'coulomb-ring'.*\['no'\]"
    with pytest.raises(ValueError, match=message):
        build_page.build(tmp_path / "web", ["coulomb-ring", "no"], runtime)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_page_is_kept(
    build_page: ModuleType, runtime: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no page that can be replaced"):
        build_page.build(tmp_path, NAMES, runtime)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_build_that_fails_keeps_the_previous_page(
    build_page: ModuleType, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "web"
    out.mkdir()
    (out / "index.html").write_text("before")

    def fail(*args: object) -> None:
        raise OSError("The disk is full.")

    monkeypatch.setattr(build_page, "write_model", fail)
    with pytest.raises(OSError, match="The disk is full"):
        build_page.build(out, NAMES, runtime)
    assert [path.name for path in tmp_path.iterdir()] == ["web"]
    assert [path.read_text() for path in out.iterdir()] == ["before"]


def test_a_page_of_no_model_is_refused(
    build_page: ModuleType, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise ValueError("Text is not shown.")

    monkeypatch.setattr(build_page, "write_model", refuse)
    with pytest.raises(ValueError, match="none of the models: coulomb-ring: Text is not shown"):
        build_page.build(tmp_path / "web", ["coulomb-ring"], runtime)
    assert not list(tmp_path.iterdir())


def test_without_npm_the_page_is_refused(
    build_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_page.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="needs npm"):
        build_page.install_runtime(tmp_path / "packages")


def test_packages_that_npm_can_not_install_are_not_there(
    build_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nmkdir node_modules\necho There is no network. >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(build_page.shutil, "which", lambda name: str(npm))
    with pytest.raises(ValueError, match=r"npm could not install .*: There is no network\."):
        build_page.install_runtime(tmp_path / "packages")
    assert [path.name for path in tmp_path.iterdir()] == ["npm"]


# The page in a browser


@pytest.fixture(scope="module")
def site(page: Path, build_page: ModuleType) -> Path:
    r"""Returns the page with the real onnxruntime-web."""
    try:
        package = build_page.install_runtime(build_page.PACKAGES)
    except (FileNotFoundError, ValueError) as error:
        pytest.skip(f"The page is not tested in a browser: {error}")
    for name in build_page.RUNTIME:
        shutil.copyfile(package / "dist" / name, page / "ort" / name)
    return page


@pytest.fixture(scope="module")
def started(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("The page is not tested in a browser: Chromium is not installed.")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(serve(site))
        try:
            opened = stack.enter_context(browser(chromium, tmp_path_factory.mktemp("profile")))
        except (OSError, RuntimeError, TimeoutError) as error:
            pytest.skip(f"The page is not tested in a browser: Chromium does not start: {error}")
        yield opened, url


@pytest.fixture
def visit(started: tuple[Browser, str]) -> Iterator[Callable[..., Browser]]:
    r"""Returns a function that opens the page; the page should have no error at the end."""
    opened, url = started
    opened.errors.clear()

    def go(address: str = "", width: int = 1280, **media: str) -> Browser:
        opened.show_as(width, 900, mobile=width < 600, **media)
        opened.open(f"{url}/{address}")
        return opened

    yield go
    assert opened.errors == []


def test_outputs_are_those_of_pytorch_and_frames_are_fast(visit: Callable[..., Browser]) -> None:
    shown = visit("?check")
    result = shown.wait("document.querySelector('#check').dataset.result", 60)
    cells = "[...document.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.innerText))"
    rows = shown.value(cells)[1:]
    assert result == "passed", rows
    differences = {
        (name, what.partition(":")[0]): float(x) for name, what, x in rows if "PyTorch" in what
    }
    assert set(differences) == {
        *(("coulomb-ring", what) for what in ("sampler", "potential")),
        *(("vapo-grid", what) for what in ("potential", "field", "flow")),
        *((name, "sampler") for name in ("field-fashion-mnist", "ngrams-python-help")),
        *(("inpainting-digits", what) for what in ("sampler", "fill")),
    }
    assert max(differences.values()) < 1e-4
    frames = [x for _, what, x in rows if "frame" in what]
    assert len(frames) == 2
    # The median, as other processes delay single frames.
    assert all(float(x.partition(",")[0]) < 100 for x in frames), frames


def test_particles_are_dropped_by_keyboard_and_mouse(visit: Callable[..., Browser]) -> None:
    shown = visit("#coulomb-ring", reduced_motion="reduce")
    shown.wait(FOLLOWED)
    shown.wait("document.querySelectorAll('.panel').length === 3")
    tab_to_canvas(shown)
    shown.key("ArrowRight")
    assert shown.value(STATUS).startswith("coulomb-ring: Cursor at (0.")
    before = canvas(shown)
    shown.key("Enter")
    shown.wait(f"{STATUS}.includes('Followed 1 particle ')")
    assert canvas(shown) != before
    shown.value("document.querySelector('canvas').scrollIntoView()")
    box = shown.value("document.querySelector('canvas').getBoundingClientRect().toJSON()")
    shown.value("document.querySelector('#status').textContent = ''")
    shown.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    shown.wait(f"{STATUS}.includes('Followed 1 particle ')")


def canvas(shown: Browser) -> str:
    r"""Returns the picture of the first canvas."""
    return shown.value("document.querySelector('canvas').toDataURL()")


def test_holes_are_painted_by_keyboard_and_mouse_and_filled(
    visit: Callable[..., Browser], site: Path
) -> None:
    shown = visit("#inpainting-digits", width=400)
    shown.wait(FIRST_FILLED)
    shown.wait(SAMPLED)
    tab_to_canvas(shown)
    for _ in range(11):
        shown.key("ArrowUp")
    assert shown.value(STATUS).endswith("in column 17 and row 6. The hole has 256 pixels.")
    shown.key(" ")
    # The brush covers 13 pixels, and what was filled before is gone.
    assert shown.value(STATUS) == "inpainting-digits: The hole has 269 pixels."
    assert shown.value(f"{CANVASES}[1].getAttribute('aria-label')").endswith("not filled yet")
    shown.key("Tab")
    shown.key("Tab")
    assert shown.value("document.activeElement.textContent") == "Fill"
    shown.key("Enter")
    shown.wait(f"{STATUS}.includes('Filled a hole of 269 pixels in ')")
    shipped = json.loads((site / "inpainting-digits/images.json").read_text())[:1024]
    y, filled = torch.tensor(shipped).reshape(32, 32), grey(shown, 1)
    known = torch.ones(32, 32)
    known[8:24, 8:24] = known[3:8, 16] = known[4:7, 15:18] = known[5, 14:19] = 0
    assert torch.equal(filled[known == 1], y[known == 1])
    assert torch.equal(grey(shown, 0)[known == 1], y[known == 1])
    x = energy_gans.load("inpainting-digits").fill(y[None, None] / 127.5 - 1, known[None, None])
    # Pixels are whole numbers.
    assert (filled - 127.5 * (x[0, 0] + 1)).abs().max() < 0.51
    shown.key("Tab")
    assert shown.value("document.activeElement.textContent") == "Clear"
    shown.key("Enter")
    shown.value(
        "[...document.querySelectorAll('button')].find(b => b.textContent === 'Fill').click()"
    )
    shown.wait(f"{STATUS}.endsWith('There is no hole to fill: paint one.')")
    box = shown.value(f"{CANVASES}[0].getBoundingClientRect().toJSON()")
    shown.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert shown.value(STATUS).endswith("The hole has 13 pixels.")


def tab_to_canvas(shown: Browser) -> None:
    r"""Presses Tab until a canvas has the focus."""
    for _ in range(20):
        shown.key("Tab")
        if shown.value("document.activeElement.getAttribute('role') === 'application'"):
            return
    raise AssertionError("Tab reaches no canvas.")


def grey(shown: Browser, index: int) -> torch.Tensor:
    r"""Returns the first channel of a canvas in the panel of holes, with shape (32, 32)."""
    data = f"[...{CANVASES}[{index}].getContext('2d').getImageData(0, 0, 32, 32).data]"
    return torch.tensor(shown.value(data)).reshape(32, 32, 4)[..., 0]


def test_two_models_are_compared(visit: Callable[..., Browser]) -> None:
    shown = visit("#field-fashion-mnist,coulomb-ring", width=400, reduced_motion="reduce")
    shown.wait(FOLLOWED)
    assert shown.value("document.querySelectorAll('article').length") == 2
    assert shown.value(TEXTS.replace("TAG", "h3")) == [
        *("Samples", "Between latents"),
        *("Field", "Samples", "Between latents"),
    ]
    # Nothing is wider than a phone, nothing moves unasked, and every control has a label.
    assert shown.value("document.documentElement.scrollWidth") == 400
    assert "Pause" not in shown.value(TEXTS.replace("TAG", "button"))
    labels = "[...document.querySelectorAll('input, select')].map(i => i.labels[0].textContent)"
    assert all(text.strip() for text in shown.value(labels))
    assert shown.value(PIXELS) > 100
    shown.value("document.querySelector('#compare').click()")
    assert shown.value("document.querySelectorAll('article').length") == 1
    assert shown.value("location.hash") == "#field-fashion-mnist"


def test_text_is_shown_as_lines(visit: Callable[..., Browser], page: Path) -> None:
    shown = visit("#ngrams-python-help", width=400)
    sheet = "document.querySelector('pre.lines')"
    shown.wait(f"{sheet}?.textContent")
    first = shown.value(f"{sheet}.textContent").split("\n")
    card = cards(page)["ngrams-python-help"]
    assert len(first) == 24 and set("".join(first)) <= set(card["vocabulary"])
    shown.value(
        "[...document.querySelectorAll('button')].find(b => /New/.test(b.textContent)).click()"
    )
    shown.wait(f"{sheet}.textContent !== {json.dumps(chr(10).join(first))}")
    assert shown.value("document.documentElement.scrollWidth") == 400
    # The four samples, and the line between them.
    latents = shown.wait(
        "(l => l[2]?.textContent && l.map(e => e.textContent))"
        "([...document.querySelectorAll('pre.lines')])"
    )
    assert len(latents[1].split("\n")) == 4
    # Lines are read as in Python.
    output = json.loads((page / "ngrams-python-help/reference.json").read_text())["sampler"][
        "output"
    ]
    read = shown.value(
        "Promise.all(['models.json', 'ngrams-python-help/reference.json']"
        ".map(url => fetch(url).then(answer => answer.json())))"
        ".then(async ([all, reference]) => (await import('./lines.js')).readLines("
        "Float32Array.from(reference.sampler.output), all.models.find(m => m.vocabulary)))"
    )
    assert read == read_lines(torch.tensor(output).view(4, 128, 32), card["vocabulary"])


def test_text_of_others_is_no_html(visit: Callable[..., Browser], site: Path) -> None:
    listed = json.loads((site / "models.json").read_text())
    try:
        changed = json.loads(json.dumps(listed))
        changed["models"][0] |= {"about": "<img src=x onerror=alert(1)>", "data": "<b>bold</b>"}
        (site / "models.json").write_text(json.dumps(changed))
        shown = visit("#coulomb-ring")
        shown.wait(FOLLOWED)
        assert shown.value("document.querySelectorAll('img, b').length") == 0
        assert "<b>bold</b>" in shown.value("document.querySelector('h2').textContent")
    finally:
        (site / "models.json").write_text(json.dumps(listed))


def test_the_page_says_what_went_wrong(started: tuple[Browser, str], site: Path) -> None:
    shown, url = started
    missing = site / "coulomb-ring/potential.onnx"
    content = missing.read_bytes()
    missing.unlink()
    try:
        shown.open(f"{url}/#coulomb-ring")
        failure = "document.querySelector('#failure').textContent"
        assert shown.wait(failure).endswith(
            "coulomb-ring/potential.onnx can not be loaded: 404 File not found"
        )
        # The other tests demand that there are no errors: here they are seen.
        assert any("404" in error for error in shown.errors)
    finally:
        missing.write_bytes(content)
