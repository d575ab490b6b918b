/* The awaitable that `receive` returns: the server's own, whose message is recorded. */
#include "lane.h"

static PyTypeObject *receiving_type;

typedef struct {
    PyObject_HEAD
    Exchange *exchange;
    PyObject *inner; /* iterator of the server's awaitable; NULL before the start and after the end */
    Stage stage;
    char running;
} Receiving;

PyObject *receiving(Exchange *exchange) {
    Receiving *made = PyObject_GC_New(Receiving, receiving_type);
    if (made == NULL) return NULL;
    made->exchange = (Exchange *)held((PyObject *)exchange);
    made->inner = NULL;
    made->stage = CREATED;
    made->running = 0;
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

/* Record the message if the server's awaitable has returned it. */
static PySendResult noted(Receiving *self, PySendResult result, PyObject **value) {
    if (result == PYGEN_NEXT) return result;
    self->stage = CLOSED;
    Py_CLEAR(self->inner);
    if (result == PYGEN_ERROR) {
        no_stop_iteration();
    } else if (self->exchange != NULL && !note_received(self->exchange, *value)) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)self->exchange, name_note_received, *value);
        Py_XDECREF(done);
        if (done == NULL) { /* it counts its own errors */
            if (!PyErr_ExceptionMatches(PyExc_Exception)) { /* such as KeyboardInterrupt in the middle of it */
                Py_CLEAR(*value);
                return PYGEN_ERROR;
            }
            PyErr_Clear();
        }
    }
    return result;
}

static PySendResult receiving_am_send(PyObject *object, PyObject *argument, PyObject **value) {
    Receiving *self = (Receiving *)object;
    *value = NULL;
    if (self->stage == CREATED && self->exchange != NULL && self->exchange->app_receive != NULL) {
        self->stage = SUSPENDED;
        PyObject *receive = held(self->exchange->app_receive);
        self->inner = iterator_of(PyObject_CallNoArgs(receive));
        Py_DECREF(receive);
        if (self->inner == NULL) return noted(self, PYGEN_ERROR, value);
    } else if (self->inner == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited receive()");
        return PYGEN_ERROR;
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return PYGEN_ERROR;
    }
    self->running = 1;
    PyObject *inner = held(self->inner); /* close() may drop it meanwhile */
    PySendResult result = PyIter_Send(inner, argument, value);
    Py_DECREF(inner);
    self->running = 0;
    return noted(self, result, value);
}

static PyObject *receiving_next(PyObject *self) {
    PyObject *value;
    PySendResult result = receiving_am_send(self, Py_None, &value);
    return as_next(result, value);
}

static PyObject *receiving_send(PyObject *self, PyObject *argument) {
    PyObject *value;
    PySendResult result = receiving_am_send(self, argument, &value);
    return as_sent(result, value);
}

static PyObject *receiving_throw(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    Receiving *self = (Receiving *)object;
    PyObject *value = NULL;
    if (self->inner == NULL) {
        self->stage = CLOSED;
        raise_thrown(arguments, count);
        return NULL;
    }
    PyObject *inner = held(self->inner);
    PySendResult result = thrown_into(inner, arguments, count, &value);
    Py_DECREF(inner);
    result = noted(self, result, &value);
    return as_sent(result, value);
}

static PyObject *receiving_close(PyObject *object, PyObject *Py_UNUSED(unused)) {
    Receiving *self = (Receiving *)object;
    PyObject *inner = self->inner;
    self->inner = NULL;
    self->stage = CLOSED;
    if (inner == NULL) Py_RETURN_NONE;
    PyObject *closed = close_iterator(inner);
    Py_DECREF(inner);
    return closed;
}

static int receiving_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Receiving *)self)->exchange);
    Py_VISIT(((Receiving *)self)->inner);
    return 0;
}

static int receiving_clear(PyObject *self) {
    Py_CLEAR(((Receiving *)self)->exchange);
    Py_CLEAR(((Receiving *)self)->inner);
    return 0;
}

static void receiving_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    receiving_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef receiving_methods[] = {
    {"send", receiving_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))receiving_throw, METH_FASTCALL, NULL},
    {"close", receiving_close, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot receiving_slots[] = {
    {Py_tp_doc, "The awaitable of one message from the server."},
    {Py_tp_traverse, receiving_traverse},
    {Py_tp_clear, receiving_clear},
    {Py_tp_dealloc, receiving_dealloc},
    {Py_tp_methods, receiving_methods},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, receiving_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, receiving_am_send},
    {0, NULL},
};

static PyType_Spec receiving_spec = {
    "nilometer_speedups._lane.Receiving", sizeof(Receiving), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, receiving_slots,
};

int make_receiving_type(PyObject *module) {
    receiving_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &receiving_spec, NULL);
    return receiving_type == NULL ? -1 : 0;
}
