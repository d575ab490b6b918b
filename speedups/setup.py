"""Builds the extension; everything else is in pyproject.toml."""

from setuptools import Extension, setup

FILES = (
    *("module", "gate", "entry", "serving", "exchange"),
    *("messages", "receiving", "awaiting", "pack"),
    *("plain", "values", "call"),
)

setup(
    ext_modules=[
        Extension(
            "nilometer_speedups._lane",
            sources=[f"lane/{name}.c" for name in FILES],
            depends=["lane/lane.h", "lane/msgpack.h"],
            extra_compile_args=[
                "-O2",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Wno-missing-field-initializers",
            ],
        )
    ]
)
