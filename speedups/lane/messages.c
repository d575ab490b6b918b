/* Records the messages of a plain exchange. */
#include "lane.h"

/* Return the value of *name*, borrowed; NULL without an error if there is none. */
static PyObject *value_of(PyObject *message, PyObject *name) {
    PyObject *found = PyDict_GetItemWithError(message, name);
    if (found == NULL) PyErr_Clear();
    return found;
}

int note_received(Exchange *exchange, PyObject *message) {
    if (!PyDict_CheckExact(message)) return 0;
    PyObject *type = value_of(message, name_type), *body = value_of(message, name_body);
    if (type == NULL || body == NULL || !is_text(type, name_request) || !PyBytes_CheckExact(body)) return 0;
    if (PyBytes_GET_SIZE(body) == 0) return 1;
    PyObject *before = exchange->request;
    if (before == NULL || !PyBytes_CheckExact(before) || PyBytes_GET_SIZE(before) != 0) return 0;
    if (PyBytes_GET_SIZE(body) > exchange->cap) return 0;
    Py_SETREF(exchange->request, held(body));
    return 1;
}

static int note_body(Exchange *exchange, PyObject *message) {
    if (exchange->finished != Py_None) return exchange->finished == Py_True;
    PyObject *body = value_of(message, name_body);
    if (body == NULL || !PyBytes_CheckExact(body) || PyBytes_GET_SIZE(body) > exchange->cap) return 0;
    PyObject *more = value_of(message, name_more_body);
    if (more != NULL && !PyBool_Check(more)) return 0;
    PyObject *now = PyFloat_FromDouble(monotonic_seconds());
    if (now == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_XSETREF(exchange->latest, now);
    Py_XSETREF(exchange->response, held(body));
    if (more == Py_True) {
        Py_SETREF(exchange->finished, held(Py_False));
    } else {
        Py_SETREF(exchange->finished, held(Py_True));
        ((Gate *)exchange->worker)->in_flight--;
    }
    return 1;
}

static int note_start(Exchange *exchange, PyObject *message) {
    if (exchange->more != Py_None || exchange->status != zero) return 0;
    PyObject *status = value_of(message, name_status), *headers = value_of(message, name_headers);
    if (status == NULL || headers == NULL || !PyLong_CheckExact(status) || !PyList_CheckExact(headers)) return 0;
    /* A copy, because an outer middleware, such as compression, may change the list. */
    PyObject *copy = PyList_GetSlice(headers, 0, PyList_GET_SIZE(headers));
    if (copy == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_XSETREF(exchange->response_headers, copy);
    Py_SETREF(exchange->status, held(status));
    return 1;
}

int note_sent(Exchange *exchange, PyObject *message) {
    if (!PyDict_CheckExact(message) || exchange->finished == NULL || exchange->worker == NULL) return 0;
    if (!PyObject_TypeCheck(exchange->worker, gate_type)) return 0;
    PyObject *type = value_of(message, name_type);
    if (type == NULL) return 0;
    if (is_text(type, name_response_body)) return note_body(exchange, message);
    if (is_text(type, name_response_start)) return note_start(exchange, message);
    return 0;
}
