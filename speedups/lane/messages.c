/* Records the messages of a plain exchange.
 *
 * A look-up in a dict may run the code of a key, and to drop a value may run a finalizer. So every object
 * that is used after either is held.
 */
#include "lane.h"

/* Return a new reference to the value of *name*; NULL without an error if there is none. */
static PyObject *value_of(PyObject *message, PyObject *name) {
    PyObject *found = PyDict_GetItemWithError(message, name);
    if (found == NULL) PyErr_Clear();
    return Py_XNewRef(found);
}

static int is_empty_bytes(PyObject *object) {
    return object != NULL && PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) == 0;
}

int note_received(Exchange *exchange, PyObject *message) {
    if (!PyDict_CheckExact(message)) return 0;
    PyObject *type = value_of(message, name_type), *body = value_of(message, name_body);
    int done = 0;
    if (type != NULL && body != NULL && is_text(type, name_request) && PyBytes_CheckExact(body)) {
        if (PyBytes_GET_SIZE(body) == 0) {
            done = 1;
        } else if (PyBytes_GET_SIZE(body) <= exchange->cap && is_empty_bytes(exchange->request)) {
            Py_SETREF(exchange->request, held(body));
            done = 1;
        }
    }
    Py_XDECREF(type);
    Py_XDECREF(body);
    return done;
}

static int note_body(Exchange *exchange, PyObject *message) {
    if (exchange->finished != Py_None) return exchange->finished == Py_True; /* what comes after the end is no matter */
    PyObject *body = value_of(message, name_body), *more = value_of(message, name_more_body), *now = NULL;
    Gate *gate = (Gate *)Py_XNewRef(exchange->worker);
    int done = 0;
    if (body != NULL && PyBytes_CheckExact(body) && PyBytes_GET_SIZE(body) <= exchange->cap && (more == NULL || PyBool_Check(more)) &&
        gate != NULL && PyObject_TypeCheck((PyObject *)gate, gate_type) && exchange->finished == Py_None &&
        (now = PyFloat_FromDouble(monotonic_seconds())) != NULL) {
        int is_last = more != Py_True;
        if (is_last) gate->in_flight--;
        Py_XSETREF(exchange->latest, now);
        Py_XSETREF(exchange->response, held(body));
        Py_XSETREF(exchange->finished, held(is_last ? Py_True : Py_False));
        done = 1;
    }
    PyErr_Clear(); /* no memory for the time */
    Py_XDECREF(body);
    Py_XDECREF(more);
    Py_XDECREF(gate);
    return done;
}

static int note_start(Exchange *exchange, PyObject *message) {
    if (exchange->more != Py_None || exchange->status != zero) return 0;
    PyObject *status = value_of(message, name_status), *headers = value_of(message, name_headers), *copy = NULL;
    int done = 0;
    /* A copy, because an outer middleware, such as compression, may change the list. */
    if (status != NULL && headers != NULL && PyLong_CheckExact(status) && PyList_CheckExact(headers) &&
        (copy = PyList_GetSlice(headers, 0, PyList_GET_SIZE(headers))) != NULL) {
        Py_XSETREF(exchange->response_headers, copy);
        Py_XSETREF(exchange->status, held(status));
        done = 1;
    }
    PyErr_Clear(); /* no memory for the copy */
    Py_XDECREF(status);
    Py_XDECREF(headers);
    return done;
}

int note_sent(Exchange *exchange, PyObject *message) {
    if (!PyDict_CheckExact(message)) return 0;
    PyObject *type = value_of(message, name_type);
    if (type == NULL) return 0;
    int done = is_text(type, name_response_body)    ? note_body(exchange, message)
               : is_text(type, name_response_start) ? note_start(exchange, message)
                                                    : 0;
    Py_DECREF(type);
    return done;
}
