/* The state of one exchange, and the `receive` and `send` of its application. */
#include "lane.h"
#include <stddef.h>

PyTypeObject *exchange_type;

static PyObject *exchange_receive(PyObject *self, PyObject *Py_UNUSED(unused)) {
    return receiving((Exchange *)self);
}

/* The Python method serves every other call, so that its errors are the same, too. */
static PyObject *send_in_python(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords) {
    PyObject *send = PyObject_GetAttr(self, name_send);
    if (send == NULL) return NULL;
    PyObject *sent = PyObject_Vectorcall(send, arguments, (size_t)count, keywords);
    Py_DECREF(send);
    return sent;
}

static PyObject *exchange_send(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords) {
    Exchange *exchange = (Exchange *)self;
    if (count != 1 || keywords != NULL || !note_sent(exchange, arguments[0]) || exchange->app_send == NULL)
        return send_in_python(self, arguments, count, keywords);
    PyObject *send = held(exchange->app_send);
    PyObject *sent = PyObject_CallOneArg(send, arguments[0]);
    Py_DECREF(send);
    return sent;
}

static PyMethodDef receive_function = {"receive", exchange_receive, METH_NOARGS,
                                       "receive($self)\n--\n\nReturn the server's next message after recording it."};
static PyMethodDef send_function = {"send", (PyCFunction)(void (*)(void))exchange_send, METH_FASTCALL | METH_KEYWORDS,
                                    "send($self, message)\n--\n\nRecord a message and return the server's own awaitable."};

PyObject *receive_of(Exchange *exchange) { return PyCFunction_New(&receive_function, (PyObject *)exchange); }

PyObject *send_of(Exchange *exchange) { return PyCFunction_New(&send_function, (PyObject *)exchange); }

PyObject *exchange_of(Entry *entry, PyObject *receive, PyObject *send) {
    Exchange *made = (Exchange *)entry->kind->tp_alloc(entry->kind, 0);
    if (made == NULL) return NULL;
    made->app_receive = held(receive);
    made->app_send = held(send);
    made->worker = held((PyObject *)entry->gate);
    made->request = held(empty_bytes);
    made->response = held(empty_bytes);
    made->response_headers = held(empty_tuple);
    made->finished = held(Py_None);
    made->more = held(Py_None);
    made->annotations = held(Py_None);
    made->status = held(zero);
    made->cap = entry->cap;
    return (PyObject *)made;
}

#define OBJECTS(X)                                                                                                     \
    X(app_receive) X(app_send) X(worker) X(request) X(response) X(response_headers) X(finished) X(more) X(annotations) \
    X(status) X(latest)

static int exchange_traverse(PyObject *self, visitproc visit, void *arg) {
    Exchange *exchange = (Exchange *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(exchange->name);
    OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int exchange_clear(PyObject *self) {
    Exchange *exchange = (Exchange *)self;
#define CLEAR(name) Py_CLEAR(exchange->name);
    OBJECTS(CLEAR)
#undef CLEAR
    return 0;
}

static void exchange_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    exchange_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#define MEMBER(name) {#name, MEMBER_OBJECT, offsetof(Exchange, name), 0, NULL},
static PyMemberDef exchange_members[] = {
    OBJECTS(MEMBER)
    {"cap", MEMBER_SIZE, offsetof(Exchange, cap), 0, NULL},
    {NULL},
};
#undef MEMBER

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc, "The state of an exchange that both implementations read and write."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, exchange_traverse},
    {Py_tp_clear, exchange_clear},
    {Py_tp_dealloc, exchange_dealloc},
    {Py_tp_members, exchange_members},
    {0, NULL},
};

static PyType_Spec exchange_spec = {
    "nilometer_speedups._lane.ExchangeState", sizeof(Exchange), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, exchange_slots,
};

int make_exchange_type(PyObject *module) {
    exchange_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &exchange_spec, NULL);
    if (exchange_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "ExchangeState", (PyObject *)exchange_type);
}
