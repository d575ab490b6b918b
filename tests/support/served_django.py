"""A model behind Django, which tests of real servers serve."""

import json
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

import nilometer


def predict(request: HttpRequest) -> JsonResponse:
    payment = json.loads(request.body)
    nilometer.log(risk=payment["amount"] * 2)
    return JsonResponse({"score": payment["amount"] / 1000, "pid": os.getpid()})


urlpatterns = [path("predict", predict)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", USE_TZ=True)
django.setup()
app = get_wsgi_application()
