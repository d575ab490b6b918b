"""Interceptors for gRPC servers."""

from nilometer.capture.grpc.interceptors import AioCaptureInterceptor, CaptureInterceptor

__all__ = ["AioCaptureInterceptor", "CaptureInterceptor"]
