"""Run ONNX graphs on what a session really got: TensorRT, CUDA or the CPU."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from robomem.errors import ConfigError, MissingExtraError, PolicyFolderError, ProviderError

logger = logging.getLogger(__name__)

Provider = Literal["auto", "tensorrt", "cuda", "cpu"]
Precision = Literal["fp32", "int8"]
NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
ORDER = {
    "auto": ("tensorrt", "cuda", "cpu"),
    "tensorrt": ("tensorrt", "cuda", "cpu"),
    "cuda": ("cuda", "cpu"),
    "cpu": ("cpu",),
}
INSTALL = "pip install 'robomem[serve]', or on an NVIDIA GPU 'robomem[serve-gpu]' instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """How a policy is run.

    Attributes:
        provider: What to run on; "auto" takes the fastest that is there.
        may_fall_back: Go on with the next one where the provider is not there, and count it; else that is an error.
        precision: "int8" runs the graphs that were exported so, on the CPU.
        threads: Of one graph on the CPU.
        device_id: Of the GPU.
        cache_dir: Where TensorRT keeps its engines and timings; a folder beside the policy by default.
        fp16: Let TensorRT compute in half precision.
        max_batch: Robots at once; more are refused.
        workspace_mb: Of GPU memory for TensorRT.
        sampling_steps: How often the denoiser is asked for a chunk; by default as often as was exported.
        uses_loop: Run the denoiser's steps in one graph; by default everywhere but on TensorRT.
        uses_binding: Leave what is computed on the device there; by default where there is a device.
    """

    provider: Provider = "auto"
    may_fall_back: bool = False
    precision: Precision = "fp32"
    threads: int = 1
    device_id: int = 0
    cache_dir: Path | None = None
    fp16: bool = False
    max_batch: int = 16
    workspace_mb: int = 1024
    sampling_steps: int | None = None
    uses_loop: bool | None = None
    uses_binding: bool | None = None

    def __post_init__(self) -> None:
        if self.provider not in ORDER:
            raise ConfigError(f"a provider is {', '.join(ORDER)}, got {self.provider!r}")
        if self.precision not in ("fp32", "int8"):
            raise ConfigError(f"a precision is fp32 or int8, got {self.precision!r}")
        if min(self.threads, self.max_batch, self.workspace_mb) < 1 or self.device_id < 0:
            raise ConfigError("threads, max_batch and workspace_mb are 1 or more")
        if self.sampling_steps is not None and self.sampling_steps < 1:
            raise ConfigError(f"sampling_steps are 1 or more, got {self.sampling_steps}")


class Graph:
    """One graph, ready to run.

    Attributes:
        provider: What the session got: "tensorrt", "cuda" or "cpu".
        fell_back: Whether something else was asked for.
        inputs: Names of what goes in.
        outputs: Names of what comes out.
    """

    def __init__(self, path: Path, options: RuntimeOptions) -> None:
        self._session, self._errors = _open(path, options)
        self.provider = _provider_of(self._session)
        self.fell_back = options.provider not in ("auto", self.provider)
        self.inputs = tuple(each.name for each in self._session.get_inputs())
        self.outputs = tuple(each.name for each in self._session.get_outputs())
        self._device = "cpu" if self.provider == "cpu" else "cuda"
        self._device_id = options.device_id
        self._binds = (
            self.provider != "cpu" if options.uses_binding is None else options.uses_binding
        )
        if self.fell_back:
            _say_fallback(path, options, self.provider)

    def __call__(self, feeds: Mapping[str, Any], *, stays: bool = False) -> dict[str, Any]:
        """Run it; returns arrays by name, or with `stays` what other graphs take without a copy.

        Raises:
            PolicyFolderError: The graph does not take that.
        """
        try:
            if self._binds:
                return self._bound(feeds, stays=stays)
            return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))
        except self._errors as err:
            raise PolicyFolderError(f"a graph failed: {str(err)[:300]}") from err

    def _bound(self, feeds: Mapping[str, Any], *, stays: bool) -> dict[str, Any]:
        binding = self._session.io_binding()
        for name, value in feeds.items():
            if isinstance(value, np.ndarray):
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
            else:
                binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            if stays:
                binding.bind_output(name, self._device, self._device_id)
            else:
                binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        found = binding.get_outputs() if stays else binding.copy_outputs_to_cpu()
        return dict(zip(self.outputs, found, strict=True))


def _open(path: Path, options: RuntimeOptions) -> tuple[Any, tuple[type[Exception], ...]]:
    ort = _onnxruntime()
    errors = _errors_of(ort)
    available = ort.get_available_providers()
    wanted = [name for name in ORDER[options.provider] if NAMES[name] in available]
    if options.provider not in ("auto", *wanted) and not options.may_fall_back:
        raise ProviderError(_absent(options.provider, f"this ONNX Runtime has {', '.join(wanted)}"))
    try:
        providers = [(NAMES[name], _provider_options(ort, name, path, options)) for name in wanted]
        session = ort.InferenceSession(path, _session_options(ort, options), providers=providers)
    except errors as err:
        raise PolicyFolderError(f"{path} is no graph that can be run: {str(err)[:300]}") from err
    got = _provider_of(session)  # the list of what is available also names what cannot be loaded
    if options.provider not in ("auto", got) and not options.may_fall_back:
        raise ProviderError(_absent(options.provider, f"the session runs on {got}"))
    return session, errors


def _absent(provider: str, what: str) -> str:
    return f"{provider} is not there, {what}: {INSTALL}, or let it fall back"


def _provider_of(session: Any) -> str:
    first = session.get_providers()[0]
    return next((name for name, full in NAMES.items() if full == first), first)


def _say_fallback(path: Path, options: RuntimeOptions, provider: str) -> None:
    logger.warning("%s runs on %s instead of %s", path.name, provider, options.provider)


def _session_options(ort: ModuleType, options: RuntimeOptions) -> Any:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors; what falls back is said here
    return settings


def _provider_options(
    ort: ModuleType, name: str, path: Path, options: RuntimeOptions
) -> dict[str, str]:
    if name == "cpu":
        return {}
    if name == "cuda":
        return {"device_id": str(options.device_id)}
    cache = options.cache_dir or path.parent / "engines"
    cache.mkdir(parents=True, exist_ok=True)
    shapes = _input_shapes(ort, path)
    return {
        "device_id": str(options.device_id),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        "trt_fp16_enable": str(int(options.fp16)),
        "trt_max_workspace_size": str(options.workspace_mb << 20),
        "trt_profile_min_shapes": profile(shapes, batch=1),
        "trt_profile_opt_shapes": profile(shapes, batch=1),
        "trt_profile_max_shapes": profile(shapes, batch=options.max_batch),
    }


def profile(shapes: Mapping[str, list[int | str]], *, batch: int) -> str:
    """Return shapes as TensorRT wants them, "x:1x16x7,time:1"; what is not fixed is the batch."""
    return ",".join(
        f"{name}:{'x'.join(str(size if isinstance(size, int) else batch) for size in shape)}"
        for name, shape in shapes.items()
        if shape
    )


def _input_shapes(ort: ModuleType, path: Path) -> dict[str, list[int | str]]:
    session = ort.InferenceSession(path, providers=[NAMES["cpu"]])
    return {each.name: each.shape for each in session.get_inputs()}


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingExtraError(f"there is no ONNX Runtime: {INSTALL}") from err
    module: ModuleType = onnxruntime
    return module


def _errors_of(ort: ModuleType) -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises; its errors have no class of their own in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [each for each in vars(state).values() if isinstance(each, type)]
    own = [each for each in found if issubclass(each, Exception)]
    return (*own, ValueError, RuntimeError)
