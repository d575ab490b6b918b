/* The awaitable that serves one exchange: what a call of the middleware returns.
 *
 * It behaves like the coroutine of an `async def`: it starts when it is first awaited, passes on every
 * value and exception, and ends the exchange whatever happens.
 */
#include "lane.h"
#include <stddef.h>

static PyTypeObject *serving_type;

/* ---- the end */

/* Offer the observation; 0 if only Python can make it. */
static int offer_plain(Serving *serving) {
    Exchange *exchange = serving->exchange;
    Gate *gate = serving->entry->gate; /* held by the entry, which the awaitable holds */
    if (exchange->finished != Py_True || exchange->more != Py_None) return 0;
    if (gate->sink == NULL || !PyObject_TypeCheck(gate->sink, queue_type)) return 0;
    if (exchange->latest == NULL || !PyFloat_CheckExact(exchange->latest)) return 0;
    if (exchange->status == NULL || !PyLong_CheckExact(exchange->status)) return 0;
    int overflow;
    long status = PyLong_AsLongAndOverflow(exchange->status, &overflow);
    if (overflow || status < 100 || status >= 400) return 0;
    PyObject *bytes = packed(serving, (unsigned long)status, PyFloat_AS_DOUBLE(exchange->latest) - serving->started);
    if (bytes == NULL) return 0;
    int failed = offer((Queue *)gate->sink, bytes) < 0;
    Py_DECREF(bytes);
    if (failed) PyErr_Clear();
    return !failed;
}

/* Let Python end the exchange; -1 with an error that must leave. *raised* is the application's exception, or NULL. */
static int finish_in_python(Serving *serving, PyObject *raised) {
    PyObject *arrival = PyLong_FromLongLong(serving->arrival_ns), *started = PyFloat_FromDouble(serving->started);
    PyObject *in_flight = PyLong_FromSsize_t(serving->in_flight), *done = NULL;
    if (arrival != NULL && started != NULL && in_flight != NULL) {
        PyObject *arguments[] = {
            serving->middleware, (PyObject *)serving->exchange, raised == NULL ? Py_None : raised, serving->scope, serving->path,
            serving->headers, arrival, started, in_flight,
        };
        done = PyObject_VectorcallMethod(name_finish, arguments, Py_ARRAY_LENGTH(arguments) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(done);
    Py_XDECREF(arrival);
    Py_XDECREF(started);
    Py_XDECREF(in_flight);
    if (done != NULL) return 0;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1; /* such as KeyboardInterrupt in the middle of it */
    PyErr_WriteUnraisable(serving->middleware); /* `_finish` guards itself */
    return 0;
}

/* The exchange may live on: a task that the handler started may keep it through its context. */
static void let_go(Serving *serving) {
    serving->stage = CLOSED;
    Py_CLEAR(serving->inner);
    Py_CLEAR(serving->scope);
    Py_CLEAR(serving->path);
    Py_CLEAR(serving->headers);
    Py_CLEAR(serving->middleware);
}

/* End the exchange; -1 with an error that must leave. The awaitable is closed first, so that this happens once. */
static int finish(Serving *serving, PyObject *raised) {
    Exchange *exchange = serving->exchange;
    serving->stage = CLOSED;
    if (exchange == NULL || serving->entry == NULL || serving->middleware == NULL || serving->scope == NULL) return 0;
    serving->running = 1;
    int failed = 0;
    if (raised != NULL || !offer_plain(serving)) failed = finish_in_python(serving, raised);
    serving->running = 0;
    Py_XSETREF(exchange->request, held(Py_None));
    Py_XSETREF(exchange->response, held(Py_None));
    Py_XSETREF(exchange->annotations, held(Py_None));
    let_go(serving);
    return failed;
}

/* End the exchange with the current error, and leave that set, or one of the end itself. */
static void finish_with_error(Serving *serving) {
    no_stop_iteration();
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *raised = PyErr_GetRaisedException();
    if (finish(serving, raised) < 0) {
        Py_XDECREF(raised);
    } else {
        PyErr_SetRaisedException(raised);
    }
#else
    PyObject *type, *raised, *traceback;
    PyErr_Fetch(&type, &raised, &traceback);
    PyErr_NormalizeException(&type, &raised, &traceback);
    if (traceback != NULL) PyException_SetTraceback(raised, traceback);
    if (finish(serving, raised) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(raised);
        Py_XDECREF(traceback);
    } else {
        PyErr_Restore(type, raised, traceback);
    }
#endif
}

static PySendResult ended(Serving *serving, PySendResult result, PyObject **value) {
    if (result == PYGEN_NEXT) return result;
    if (result == PYGEN_RETURN) {
        if (finish(serving, NULL) == 0) return result;
        Py_CLEAR(*value);
        return PYGEN_ERROR;
    }
    finish_with_error(serving);
    return result;
}

/* ---- the awaitable */

/* Start the exchange in the context of its task: set times and count it, then call the application. */
static PyObject *started(Serving *serving) {
    Exchange *exchange = serving->exchange;
    Gate *gate = serving->entry->gate;
    if (gate->notes) {
        PyObject *token = PyContextVar_Set(serving->entry->variable, (PyObject *)exchange);
        if (token == NULL) PyErr_Clear();
        Py_XDECREF(token);
    }
    serving->arrival_ns = unix_nanoseconds();
    serving->started = monotonic_seconds();
    Py_XSETREF(exchange->latest, PyFloat_FromDouble(serving->started));
    if (exchange->latest == NULL) PyErr_Clear();
    serving->in_flight = ++gate->in_flight;
    PyObject *app = PyObject_GetAttr(serving->middleware, name_app);
    PyObject *receive = receive_of(exchange), *send = send_of(exchange);
    PyObject *awaitable = NULL;
    if (app != NULL && receive != NULL && send != NULL) {
        PyObject *arguments[] = {NULL, serving->scope, receive, send};
        awaitable = PyObject_Vectorcall(app, arguments + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(app);
    Py_XDECREF(receive);
    Py_XDECREF(send);
    return iterator_of(awaitable);
}

static int is_running(Serving *serving) {
    if (serving->running) PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    return serving->running;
}

static PySendResult serving_am_send(PyObject *self, PyObject *argument, PyObject **value) {
    Serving *serving = (Serving *)self;
    *value = NULL;
    if (is_running(serving)) return PYGEN_ERROR;
    if (serving->stage == CLOSED || serving->entry == NULL || serving->exchange == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    serving->running = 1;
    PySendResult result = PYGEN_ERROR;
    if (serving->stage == CREATED) {
        if (argument != Py_None) {
            PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
            serving->running = 0;
            return PYGEN_ERROR;
        }
        serving->stage = SUSPENDED;
        serving->inner = started(serving);
    }
    if (serving->inner != NULL) result = PyIter_Send(serving->inner, argument, value); /* `running` keeps it */
    serving->running = 0;
    return ended(serving, result, value);
}

static PyObject *serving_next(PyObject *self) {
    PyObject *value;
    PySendResult result = serving_am_send(self, Py_None, &value);
    return as_next(result, value);
}

static PyObject *serving_send(PyObject *self, PyObject *argument) {
    PyObject *value;
    PySendResult result = serving_am_send(self, argument, &value);
    return as_sent(result, value);
}

static PyObject *serving_throw(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Serving *serving = (Serving *)self;
    if (is_running(serving)) return NULL;
    if (serving->stage != SUSPENDED) {
        let_go(serving);
        raise_thrown(arguments, count);
        return NULL;
    }
    PyObject *value = NULL;
    serving->running = 1;
    PySendResult result = thrown_into(serving->inner, arguments, count, &value);
    serving->running = 0;
    result = ended(serving, result, &value);
    return as_sent(result, value);
}

static PyObject *serving_close(PyObject *self, PyObject *Py_UNUSED(unused)) {
    Serving *serving = (Serving *)self;
    if (is_running(serving)) return NULL;
    if (serving->stage != SUSPENDED) {
        let_go(serving);
        Py_RETURN_NONE;
    }
    serving->running = 1;
    PyObject *closed = close_iterator(serving->inner);
    serving->running = 0;
    if (closed == NULL) {
        finish_with_error(serving);
        return NULL;
    }
    PyObject *raised = PyObject_CallNoArgs(PyExc_GeneratorExit);
    if (raised == NULL) PyErr_Clear();
    if (finish(serving, raised) < 0) Py_CLEAR(closed);
    Py_XDECREF(raised);
    return closed;
}

/* As for a coroutine: one that was started is closed, one that was not is warned about. */
static void serving_finalize(PyObject *self) {
    Serving *serving = (Serving *)self;
    if (serving->entry == NULL || serving->stage == CLOSED) return;
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *before = PyErr_GetRaisedException();
#else
    PyObject *type, *before, *traceback;
    PyErr_Fetch(&type, &before, &traceback);
#endif
    if (serving->stage == CREATED) {
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s.__call__' was never awaited",
                             Py_TYPE(serving->middleware)->tp_name) < 0)
            PyErr_WriteUnraisable(self);
    } else {
        PyObject *closed = serving_close(self, NULL);
        if (closed == NULL) PyErr_WriteUnraisable(self);
        Py_XDECREF(closed);
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(before);
#else
    PyErr_Restore(type, before, traceback);
#endif
}

/* ---- the type */

PyObject *serving(Entry *entry, PyObject *middleware, PyObject *scope, PyObject *path, PyObject *headers,
                  PyObject *receive, PyObject *send) {
    PyObject *exchange = exchange_of(entry, receive, send);
    if (exchange == NULL) return NULL;
    Serving *made = PyObject_GC_New(Serving, serving_type);
    if (made == NULL) {
        Py_DECREF(exchange);
        return NULL;
    }
    made->entry = (Entry *)held((PyObject *)entry);
    made->exchange = (Exchange *)exchange;
    made->middleware = held(middleware);
    made->scope = held(scope);
    made->path = held(path);
    made->headers = held(headers);
    made->inner = NULL;
    made->started = 0.0;
    made->arrival_ns = 0;
    made->in_flight = 0;
    made->stage = CREATED;
    made->running = 0;
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

#define OBJECTS(X) X(entry) X(exchange) X(middleware) X(scope) X(path) X(headers) X(inner)

static int serving_traverse(PyObject *self, visitproc visit, void *arg) {
    Serving *serving = (Serving *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(serving->name);
    OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int serving_clear(PyObject *self) {
    Serving *serving = (Serving *)self;
#define CLEAR(name) Py_CLEAR(serving->name);
    OBJECTS(CLEAR)
#undef CLEAR
    return 0;
}

static void serving_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (((Serving *)self)->stage != CLOSED && PyObject_CallFinalizerFromDealloc(self) < 0) return; /* it lives again */
    PyObject_GC_UnTrack(self);
    serving_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef serving_methods[] = {
    {"send", serving_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))serving_throw, METH_FASTCALL, NULL},
    {"close", serving_close, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot serving_slots[] = {
    {Py_tp_doc, "The awaitable that serves one exchange."},
    {Py_tp_traverse, serving_traverse},
    {Py_tp_clear, serving_clear},
    {Py_tp_dealloc, serving_dealloc},
    {Py_tp_finalize, serving_finalize},
    {Py_tp_methods, serving_methods},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, serving_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, serving_am_send},
    {0, NULL},
};

static PyType_Spec serving_spec = {
    "nilometer_speedups._lane.Serving", sizeof(Serving), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, serving_slots,
};

int make_serving_type(PyObject *module) {
    serving_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &serving_spec, NULL);
    if (serving_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "Serving", (PyObject *)serving_type); /* for tests to recognise */
}
