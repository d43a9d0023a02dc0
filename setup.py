"""Package metadata of rnncore; tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

MARKETING = [
    "narwhals>=2.0",
    "polars>=1.20",
    "scikit-learn>=1.5",
    "threadpoolctl>=3.1",
    "matplotlib>=3.8",
    "rich>=13",
    "typer>=0.15",
]
ONNX = ["onnx>=1.16", "onnxruntime>=1.18"]
PEERS = ["torch>=2.4", "onnxscript>=0.5", "keras>=3.5"]  # onnxscript: for torch's newer exporter
DEV = [*MARKETING, *ONNX, "pytest>=8", "pytest-xdist>=3.5", "hypothesis>=6.100", "ruff>=0.6", "mypy>=1.11"]
DEV += ["nbclient>=0.10", "ipykernel>=6", "safetensors>=0.4", "mpmath>=1.3"]

setup(
    name="rnncore",
    version="0.1.0",
    description="Recurrent networks with every derivative written by hand, checked against numbers, and fast on a CPU",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.15",
    packages=[*find_packages(include=["rnncore", "rnncore.*"]), "rnncore.notebooks", "rnncore.benchmarks"],
    package_dir={"rnncore.notebooks": "notebooks", "rnncore.benchmarks": "benchmarks"},  # for `learn` and `bench`
    package_data={
        "rnncore": ["py.typed", "datasets/*.csv.gz"],
        "rnncore.notebooks": ["*.ipynb", "*.mplstyle", "*.md", "*.csv"],
    },
    install_requires=["numpy>=1.26", "scipy>=1.11", "numba>=0.60"],
    extras_require={"marketing": MARKETING, "onnx": ONNX, "peers": PEERS, "dev": DEV},
    entry_points={"console_scripts": ["rnncore = rnncore.__main__:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
