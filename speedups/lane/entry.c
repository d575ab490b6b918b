/* What a server calls: `NilometerMiddleware.__call__`, and the settings that it reads. */
#include "lane.h"
#include <stddef.h>

/* ---- Entry */

static PyTypeObject *entry_type, *method_type;

static unsigned long long lengths_of(PyObject *names) {
    unsigned long long found = 1ULL << 12 | 1ULL << 16; /* content-type and content-encoding */
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        Py_ssize_t size = PyBytes_GET_SIZE(PyTuple_GET_ITEM(names, i));
        if (size < 64) found |= 1ULL << size;
    }
    return found;
}

/* Return a tuple of names, which must be bytes of fewer than 64 each; NULL with an error otherwise. */
static PyObject *names_of(PyObject *iterable) {
    PyObject *names = PySequence_Tuple(iterable);
    if (names == NULL) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (!PyBytes_CheckExact(name) || PyBytes_GET_SIZE(name) >= 64) {
            PyErr_SetString(PyExc_ValueError, "a header name must be bytes, fewer than 64");
            Py_DECREF(names);
            return NULL;
        }
    }
    return names;
}

static PyObject *entry_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *parameters[] = {"gate", "excluded", "cap", "request_names", "response_names", "variable", "kind", "keeps_bodies", "values_only", NULL};
    PyObject *gate, *excluded, *request_names, *response_names, *variable, *kind;
    Py_ssize_t cap;
    int keeps_bodies, values_only;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!OnOOO!O!pp", parameters, gate_type, &gate, &excluded, &cap,
                                     &request_names, &response_names, &PyContextVar_Type, &variable, &PyType_Type, &kind,
                                     &keeps_bodies, &values_only))
        return NULL;
    if (!PyAnySet_CheckExact(excluded) || !PyType_IsSubtype((PyTypeObject *)kind, exchange_type)) {
        PyErr_SetString(PyExc_TypeError, "excluded must be a set, and kind a class of exchanges");
        return NULL;
    }
    PyObject *of_requests = names_of(request_names), *of_responses = names_of(response_names);
    Entry *made = of_requests != NULL && of_responses != NULL ? (Entry *)type->tp_alloc(type, 0) : NULL;
    if (made == NULL) {
        Py_XDECREF(of_requests);
        Py_XDECREF(of_responses);
        return NULL;
    }
    made->gate = (Gate *)held(gate);
    made->excluded = held(excluded);
    made->request_names = of_requests;
    made->response_names = of_responses;
    made->variable = held(variable);
    made->kind = (PyTypeObject *)held(kind);
    made->cap = cap;
    made->keeps_bodies = keeps_bodies;
    made->values_only = values_only;
    made->request_lengths = lengths_of(of_requests);
    made->response_lengths = lengths_of(of_responses);
    return (PyObject *)made;
}

#define OBJECTS(X) X(gate) X(excluded) X(request_names) X(response_names) X(variable) X(kind)

static int entry_traverse(PyObject *self, visitproc visit, void *arg) {
    Entry *entry = (Entry *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(entry->name);
    OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int entry_clear(PyObject *self) {
    Entry *entry = (Entry *)self;
#define CLEAR(name) Py_CLEAR(entry->name);
    OBJECTS(CLEAR)
#undef CLEAR
    return 0;
}

static void entry_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    entry_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot entry_slots[] = {
    {Py_tp_doc, "What a request reads of its middleware, if the middleware's settings are plain."},
    {Py_tp_new, entry_new},
    {Py_tp_traverse, entry_traverse},
    {Py_tp_clear, entry_clear},
    {Py_tp_dealloc, entry_dealloc},
    {0, NULL},
};

static PyType_Spec entry_spec = {
    "nilometer_speedups._lane.Entry", sizeof(Entry), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, entry_slots,
};

/* ---- Method: a method of the middleware. Servers that look at it find the Python coroutine function, because
 * they ask whether it is one; a call of the middleware itself comes here. */

typedef struct {
    PyObject_HEAD
    PyObject *function; /* the coroutine function in Python */
    vectorcallfunc vectorcall;
} Method;

/* Return the awaitable that serves a request in C; NULL, maybe with an error, if Python must serve it. */
static PyObject *serving_of(PyObject *middleware, PyObject *scope, PyObject *receive, PyObject *send) {
    if (!PyDict_CheckExact(scope)) return NULL;
    PyObject *plain = PyObject_GetAttr(middleware, name_plain), *made = NULL;
    if (plain == NULL) return NULL;
    if (Py_IS_TYPE(plain, entry_type) && ((Entry *)plain)->gate != NULL) {
        Entry *entry = (Entry *)plain;
        Gate *gate = entry->gate;
        if (gate->live && !gate->due && !gate->nested && gate->share >= 1.0) {
            PyObject *type = Py_XNewRef(PyDict_GetItemWithError(scope, name_type));
            PyObject *path = Py_XNewRef(PyDict_GetItemWithError(scope, name_path));
            PyObject *headers = Py_XNewRef(PyDict_GetItemWithError(scope, name_headers));
            PyObject *root_path = Py_XNewRef(PyDict_GetItemWithError(scope, name_root_path)); /* ASGI allows none */
            if (!PyErr_Occurred() && type != NULL && is_text(type, name_http) && path != NULL && PyUnicode_CheckExact(path) &&
                headers != NULL && (PyList_CheckExact(headers) || PyTuple_CheckExact(headers)) &&
                (root_path == NULL || (PyUnicode_CheckExact(root_path) && PyUnicode_GET_LENGTH(root_path) == 0)) &&
                PySet_Contains(entry->excluded, path) == 0)
                made = serving(entry, middleware, scope, path, headers, receive, send);
            Py_XDECREF(type);
            Py_XDECREF(path);
            Py_XDECREF(headers);
            Py_XDECREF(root_path);
        }
    }
    Py_DECREF(plain);
    return made;
}

static PyObject *method_vectorcall(PyObject *self, PyObject *const *arguments, size_t flags, PyObject *keywords) {
    if (PyVectorcall_NARGS(flags) == 4 && keywords == NULL) {
        PyObject *made = serving_of(arguments[0], arguments[1], arguments[2], arguments[3]);
        if (made != NULL) return made;
        PyErr_Clear();
    }
    return PyObject_Vectorcall(((Method *)self)->function, arguments, flags, keywords);
}

static PyObject *method_get(PyObject *self, PyObject *middleware, PyObject *owner) {
    PyObject *function = ((Method *)self)->function;
    descrgetfunc get = Py_TYPE(function)->tp_descr_get;
    return get == NULL ? held(function) : get(function, middleware, owner);
}

static PyObject *method_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *parameters[] = {"function", NULL};
    PyObject *function;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!", parameters, &PyFunction_Type, &function)) return NULL;
    Method *made = (Method *)type->tp_alloc(type, 0);
    if (made == NULL) return NULL;
    made->function = held(function);
    made->vectorcall = method_vectorcall;
    return (PyObject *)made;
}

static int method_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Method *)self)->function);
    return 0;
}

static int method_clear(PyObject *self) {
    Py_CLEAR(((Method *)self)->function);
    return 0;
}

static void method_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    method_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef method_members[] = {
    {"__wrapped__", MEMBER_OBJECT, offsetof(Method, function), READONLY_MEMBER, NULL},
    {"__vectorcalloffset__", MEMBER_SIZE, offsetof(Method, vectorcall), READONLY_MEMBER, NULL},
    {NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_doc, "A method that serves plain requests in C, and others by *function*."},
    {Py_tp_new, method_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, method_get},
    {Py_tp_traverse, method_traverse},
    {Py_tp_clear, method_clear},
    {Py_tp_dealloc, method_dealloc},
    {Py_tp_members, method_members},
    {0, NULL},
};

static PyType_Spec method_spec = {
    "nilometer_speedups._lane.Method", sizeof(Method), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, method_slots,
};

int make_entry_types(PyObject *module) {
    entry_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &entry_spec, NULL);
    method_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &method_spec, NULL);
    if (entry_type == NULL || method_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "Entry", (PyObject *)entry_type) < 0 ||
                   PyModule_AddObjectRef(module, "Method", (PyObject *)method_type) < 0
               ? -1
               : 0;
}
