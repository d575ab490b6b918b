"""Interceptors for gRPC servers."""

from nilometer.capture.grpc.server import AioCaptureInterceptor, CaptureInterceptor

__all__ = ["AioCaptureInterceptor", "CaptureInterceptor"]
