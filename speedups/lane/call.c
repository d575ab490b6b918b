/* One call of a function that `nilometer.observe` wraps: its start and its end.
 *
 * The wrapper itself is a Python function, so that it is pickled, bound and inspected like any other. Inputs are
 * written as MessagePack at the start, because the function may change them. What is not plain goes to the Python
 * code of `nilometer.capture.observe`.
 */
#include "msgpack.h"
#include <stddef.h>

PyTypeObject *call_type;
static PyTypeObject *call_entry_type;

/* What each call reads of its function. */
typedef struct {
    PyObject_HEAD
    PyObject *gate;       /* None before the first use of the recorder of the process */
    PyObject *begin;      /* (positional, named) -> a call in Python, or None */
    PyObject *outputs;    /* result -> its columns as MessagePack */
    PyObject *annotated;  /* (values, inputs, outputs) -> all of them as MessagePack */
    PyObject *drawn;      /* share -> share, negative if this observation is left out */
    PyObject *path;       /* str */
    PyObject *positional; /* tuple of str: names of positional arguments; empty if not an input */
    PyObject *single;     /* str: name of the only input, or empty */
    PyObject *variable;   /* the context variable of `nilometer.log` */
    Py_ssize_t at;        /* position of the only input; -1 without one */
    char filtered;        /* whether only some of the named arguments are inputs */
    char joins;           /* whether calls inside an observed request are part of it */
    vectorcallfunc vectorcall;
} CallEntry;

/* ---- MessagePack of inputs and outputs */

static PyObject *map_of_one(PyObject *name, PyObject *value) {
    Py_ssize_t size = plain_size(value), named = plain_size(name);
    if (size < 0 || named < 0) return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, 1 + named + size);
    if (made == NULL) return NULL;
    unsigned char *at = put_map_head((unsigned char *)PyBytes_AS_STRING(made), 1);
    put_plain(put_plain(at, name), value);
    return made;
}

/* Return the columns of *value*: a map of names to plain values, or one plain value; NULL if it is neither. */
static PyObject *columns_of(PyObject *name, PyObject *value) {
    if (!PyDict_CheckExact(value)) return is_plain(value) ? map_of_one(name, value) : NULL;
    Py_ssize_t size = PyDict_GET_SIZE(value) > 256 ? -1 : plain_map_size(value); /* MAX_NAMES */
    if (size < 0) return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, size);
    if (made != NULL) put_plain_map((unsigned char *)PyBytes_AS_STRING(made), value);
    return made;
}

static int is_named(CallEntry *entry, Py_ssize_t position) {
    return PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(entry->positional, position)) > 0;
}

/* Return several arguments as columns; NULL if only Python can. */
static PyObject *columns_of_arguments(CallEntry *entry, PyObject *positional, PyObject *named) {
    Py_ssize_t count = Py_MIN(PyTuple_GET_SIZE(positional), PyTuple_GET_SIZE(entry->positional));
    Py_ssize_t columns = PyDict_GET_SIZE(named), size = 0, at = 0, own;
    PyObject *name, *value;
    if (columns > 0 && (entry->filtered || count > 0)) return NULL; /* a name may come twice */
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_named(entry, i)) continue;
        own = plain_size(PyTuple_GET_ITEM(positional, i));
        if (own < 0) return NULL;
        size += own + plain_size(PyTuple_GET_ITEM(entry->positional, i));
        columns++;
    }
    while (PyDict_Next(named, &at, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || (own = plain_size(value)) < 0) return NULL;
        Py_ssize_t of_name = plain_size(name);
        if (of_name < 0) return NULL;
        size += own + of_name;
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, map_head_size(columns) + size);
    if (made == NULL) return NULL;
    unsigned char *to = put_map_head((unsigned char *)PyBytes_AS_STRING(made), columns);
    for (Py_ssize_t i = 0; i < count; i++)
        if (is_named(entry, i)) to = put_plain(put_plain(to, PyTuple_GET_ITEM(entry->positional, i)), PyTuple_GET_ITEM(positional, i));
    for (at = 0; PyDict_Next(named, &at, &name, &value);) to = put_plain(put_plain(to, name), value);
    return made;
}

static PyObject *inputs_of(CallEntry *entry, PyObject *positional, PyObject *named) {
    if (PyDict_GET_SIZE(named) == 0 && entry->at >= 0 && entry->at < PyTuple_GET_SIZE(positional))
        return columns_of(entry->single, PyTuple_GET_ITEM(positional, entry->at));
    return columns_of_arguments(entry, positional, named);
}

/* ---- Call */

/* Count the current error as one lost observation; -1 if it must leave, such as KeyboardInterrupt. */
static int note_lost(PyObject *worker) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) PyException_SetTraceback(error, traceback);
    PyObject *done = PyObject_CallMethod(worker, "note", "Oi", error, 1);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    Py_XDECREF(done);
    if (done != NULL) return 0;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyErr_Clear(); /* such as RecursionError, which must not reach the caller of the function */
    return 0;
}

static PyObject *checked_bytes(PyObject *made) {
    if (made == NULL || PyBytes_CheckExact(made)) return made;
    PyErr_SetString(PyExc_TypeError, "columns must be bytes");
    Py_DECREF(made);
    return NULL;
}

static int has_annotations(Call *call) { return call->annotations != NULL && call->annotations != Py_None; }

/* Return logged *values*, NULL for none, with inputs and outputs as MessagePack; NULL, maybe with an error, if only
 * Python can. */
static PyObject *with_values(PyObject *values, PyObject *inputs, PyObject *outputs) {
    static const char INPUT[] = "input", OUTPUT[] = "output";
    Py_ssize_t count = 2, position = 0, size = 0;
    PyObject *name, *value;
    if (values != NULL) {
        Py_ssize_t whole = plain_map_size(values);
        if (whole < 0) return NULL;
        while (PyDict_Next(values, &position, &name, &value)) /* these names would come twice */
            if (PyUnicode_CompareWithASCIIString(name, INPUT) == 0 || PyUnicode_CompareWithASCIIString(name, OUTPUT) == 0) return NULL;
        count += PyDict_GET_SIZE(values);
        size = whole - map_head_size(PyDict_GET_SIZE(values));
    }
    Py_ssize_t of_inputs = PyBytes_GET_SIZE(inputs), of_outputs = PyBytes_GET_SIZE(outputs);
    PyObject *made = PyBytes_FromStringAndSize(NULL, map_head_size(count) + size + text_size(sizeof INPUT - 1) + of_inputs +
                                                         text_size(sizeof OUTPUT - 1) + of_outputs);
    if (made == NULL) return NULL;
    unsigned char *at = put_map_head((unsigned char *)PyBytes_AS_STRING(made), count);
    if (values != NULL)
        for (position = 0; PyDict_Next(values, &position, &name, &value);) at = put_plain(put_plain(at, name), value);
    at = put_bytes(put_text(at, INPUT, sizeof INPUT - 1), PyBytes_AS_STRING(inputs), of_inputs);
    put_bytes(put_text(at, OUTPUT, sizeof OUTPUT - 1), PyBytes_AS_STRING(outputs), of_outputs);
    return made;
}

/* Return the values as MessagePack, or NULL with an error. */
static PyObject *values_of(Call *call, PyObject *outputs) {
    if (has_annotations(call)) {
        PyObject *values = PyObject_GetAttr(call->annotations, name_values);
        if (values == NULL) return NULL;
        if (!PyDict_CheckExact(values) || PyDict_GET_SIZE(values) > 0) {
            PyObject *arguments[] = {values, call->inputs, outputs};
            PyObject *made = with_values(values, call->inputs, outputs);
            if (made == NULL && !PyErr_Occurred())
                made = PyObject_Vectorcall(((CallEntry *)call->entry)->annotated, arguments, 3, NULL);
            Py_DECREF(values);
            return checked_bytes(made);
        }
        Py_DECREF(values);
    }
    return with_values(NULL, call->inputs, outputs);
}

/* Return the packed observation, as `Packer.pack_call` does; NULL with an error. */
static PyObject *packed_call(Call *call, double latency, PyObject *outcome, PyObject *labels, PyObject *values, double share) {
    enum { FIELDS = 29 };
    static const char CALL[] = "CALL";
    Py_ssize_t of_outcome, of_path, of_labels = labels == NULL ? map_head_size(0) : plain_map_size(labels);
    const char *outcome_text = PyUnicode_AsUTF8AndSize(outcome, &of_outcome);
    const char *path_text = PyUnicode_AsUTF8AndSize(((CallEntry *)call->entry)->path, &of_path);
    if (outcome_text == NULL || path_text == NULL) return NULL;
    Py_ssize_t of_values = values == NULL ? 0 : PyBytes_GET_SIZE(values);
    if (call->in_flight < 0) call->in_flight = 0; /* the process was forked during calls */
    if (of_labels < 0 || call->arrival_ns < 0 || of_values > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "the observation of a call cannot be packed");
        return NULL;
    }
    PyObject *made = PyBytes_FromStringAndSize(
        NULL, 3 + uint_size((unsigned long long)call->arrival_ns) + 9 + 1 + text_size(of_outcome) + text_size(sizeof CALL - 1) +
                  text_size(of_path) + 2 + 4 + 2 + 1 + uint_size((unsigned long long)call->in_flight) + 9 + 1 + 2 + 4 + of_labels +
                  binary_size(of_values) + 1 + 9 + 1 + 1);
    if (made == NULL) return NULL;
    unsigned char *at = (unsigned char *)PyBytes_AS_STRING(made);
    *at++ = 0xdc;
    at = put_big_endian(at, FIELDS, 2);
    at = put_uint(at, (unsigned long long)call->arrival_ns);
    at = put_double(at, latency);
    at = put_uint(at, 0); /* no status */
    at = put_text(at, outcome_text, of_outcome);
    at = put_text(at, CALL, sizeof CALL - 1);
    at = put_text(at, path_text, of_path);
    at = put_bytes(at, "\0\0\xa0\xa0\xa0\xa0\xc0\xc0\xa0", 9); /* sizes, types and encodings, bodies, event time */
    at = put_uint(at, (unsigned long long)call->in_flight);
    at = put_double(at, 0.0);                             /* no first byte */
    at = put_bytes(at, "\0\xc4\0\xa0\xa0\xa0\xa0", 7);    /* chunks, gaps, end, ids, parent */
    if (labels == NULL) {
        at = put_map_head(at, 0);
    } else {
        at = put_plain_map(at, labels);
    }
    at = put_sized(at, (unsigned long long)of_values, 0xc4);
    if (values != NULL) at = put_bytes(at, PyBytes_AS_STRING(values), of_values);
    at = put_text(at, "", 0); /* no query */
    at = put_double(at, share < 0 ? -share : share);
    *at++ = share < 0 ? 0xc3 : 0xc2;
    *at++ = 0xc3; /* values only */
    assert((char *)at == PyBytes_AS_STRING(made) + PyBytes_GET_SIZE(made));
    return made;
}

static PyObject *outputs_of(CallEntry *entry, int returned, PyObject *result) {
    if (!returned) return PyBytes_FromStringAndSize("\x80", 1);
    PyObject *outputs = columns_of(name_value, result);
    if (outputs != NULL) return outputs;
    PyErr_Clear();
    return checked_bytes(PyObject_CallOneArg(entry->outputs, result));
}

/* Offer the observation of a call that has ended; -1 with an error. */
static int record(Call *call, PyObject *outcome, int returned, PyObject *result) {
    CallEntry *entry = (CallEntry *)call->entry;
    Gate *gate = (Gate *)call->worker;
    double latency = monotonic_seconds() - call->started; /* before the outputs are read, which may take long */
    gate->in_flight--;
    if (call->token != NULL) {
        PyObject *token = call->token;
        call->token = NULL;
        int failed = PyContextVar_Reset(entry->variable, token);
        Py_DECREF(token);
        if (failed < 0) return -1;
    }
    PyObject *outputs = outputs_of(entry, returned, result), *values = NULL, *labels = NULL, *packed = NULL, *done = NULL;
    if (outputs == NULL) return -1;
    double share = gate->share;
    if (share < 1.0) {
        PyObject *drawn = PyObject_CallFunction(entry->drawn, "d", share);
        share = drawn == NULL ? 0.0 : PyFloat_AsDouble(drawn);
        Py_XDECREF(drawn);
        if (PyErr_Occurred()) goto end;
    }
    if (share > 0 && (values = values_of(call, outputs)) == NULL) goto end;
    if (has_annotations(call) && (labels = PyObject_GetAttr(call->annotations, name_labels)) == NULL) goto end;
    if ((packed = packed_call(call, latency, outcome, labels, values, share)) == NULL || gate->sink == NULL) goto end;
    if (PyObject_TypeCheck(gate->sink, queue_type)) {
        done = offer((Queue *)gate->sink, packed) < 0 ? NULL : held(Py_None);
    } else {
        done = PyObject_CallMethod(gate->sink, "offer", "O", packed);
    }
end:
    Py_DECREF(outputs);
    Py_XDECREF(values);
    Py_XDECREF(labels);
    Py_XDECREF(packed);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *call_end(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Call *call = (Call *)self;
    if (count != 2 || !PyUnicode_CheckExact(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "end needs an outcome and a result");
        return NULL;
    }
    if (call->entry == NULL || call->worker == NULL || call->inputs == NULL) Py_RETURN_NONE;
    int returned = PyUnicode_CompareWithASCIIString(arguments[0], "ok") == 0;
    if (record(call, arguments[0], returned, arguments[1]) < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "the worker has no queue");
        if (note_lost(call->worker) < 0) return NULL;
    }
    Py_RETURN_NONE;
}

#define CALL_OBJECTS(X) X(entry) X(worker) X(annotations) X(inputs) X(token)

static int call_traverse(PyObject *self, visitproc visit, void *arg) {
    Call *call = (Call *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(call->name);
    CALL_OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int call_clear(PyObject *self) {
    Call *call = (Call *)self;
#define CLEAR(name) Py_CLEAR(call->name);
    CALL_OBJECTS(CLEAR)
#undef CLEAR
    return 0;
}

static void call_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    call_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef call_members[] = {
    {"annotations", MEMBER_OBJECT, offsetof(Call, annotations), 0, NULL},
    {"worker", MEMBER_OBJECT, offsetof(Call, worker), READONLY_MEMBER, NULL},
    {NULL},
};

static PyMethodDef call_methods[] = {
    {"end", (PyCFunction)(void (*)(void))call_end, METH_FASTCALL, "Record the end of the call: its result, or that it raised."},
    {NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "One call in progress; `nilometer.log` and `label` find it through the context."},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_members, call_members},
    {Py_tp_methods, call_methods},
    {0, NULL},
};

static PyType_Spec call_spec = {
    "nilometer_speedups._lane.FunctionCall", sizeof(Call), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, call_slots,
};

/* ---- CallEntry */

/* Return the gate if a call is plain so far; NULL if Python must begin it. */
static Gate *gate_of(CallEntry *entry) {
    if (entry->gate == NULL || !PyObject_TypeCheck(entry->gate, gate_type)) return NULL;
    if (entry->joins) {
        PyObject *holder = NULL;
        int failed = PyContextVar_Get(entry->variable, NULL, &holder) < 0 || holder != Py_None;
        Py_XDECREF(holder);
        if (failed) return NULL;
    }
    return ((Gate *)entry->gate)->live ? (Gate *)entry->gate : NULL;
}

/* Begin a call whose inputs are plain; NULL, maybe with an error, if Python must. */
static PyObject *begun(CallEntry *entry, PyObject *positional, PyObject *named) {
    Gate *gate = gate_of(entry);
    if (gate == NULL) return NULL;
    PyObject *inputs = inputs_of(entry, positional, named);
    Call *made = inputs == NULL ? NULL : PyObject_GC_New(Call, call_type);
    if (made == NULL) {
        Py_XDECREF(inputs);
        return NULL;
    }
    made->entry = held((PyObject *)entry);
    made->worker = held((PyObject *)gate);
    made->annotations = held(Py_None);
    made->inputs = inputs;
    made->token = NULL;
    made->in_flight = 0;
    PyObject_GC_Track(made);
    if (gate->notes && (made->token = PyContextVar_Set(entry->variable, (PyObject *)made)) == NULL) {
        Py_DECREF(made);
        return NULL;
    }
    made->in_flight = ++gate->in_flight;
    made->arrival_ns = unix_nanoseconds();
    made->started = monotonic_seconds();
    return (PyObject *)made;
}

static PyObject *entry_vectorcall(PyObject *self, PyObject *const *arguments, size_t flags, PyObject *keywords) {
    CallEntry *entry = (CallEntry *)self;
    if (PyVectorcall_NARGS(flags) == 2 && keywords == NULL && PyTuple_CheckExact(arguments[0]) && PyDict_CheckExact(arguments[1])) {
        PyObject *made = begun(entry, arguments[0], arguments[1]);
        if (made != NULL) return made;
        PyErr_Clear();
    }
    return PyObject_Vectorcall(entry->begin, arguments, flags, keywords);
}

static int are_texts(PyObject *names) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (!PyUnicode_CheckExact(name) || plain_size(name) < 0) return 0;
    }
    return 1;
}

static PyObject *entry_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *parameters[] = {"gate", "begin", "outputs", "annotated", "drawn", "path", "positional", "single", "at", "filtered", "joins", "variable", NULL};
    PyObject *gate, *begin, *outputs, *annotated, *drawn, *path, *positional, *single, *variable;
    Py_ssize_t at;
    int filtered, joins;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOOUO!UnppO!", parameters, &gate, &begin, &outputs, &annotated, &drawn,
                                     &path, &PyTuple_Type, &positional, &single, &at, &filtered, &joins, &PyContextVar_Type,
                                     &variable))
        return NULL;
    if (!are_texts(positional) || plain_size(single) < 0 || plain_size(path) < 0) {
        PyErr_SetString(PyExc_ValueError, "names must be texts without lone surrogates");
        return NULL;
    }
    CallEntry *made = (CallEntry *)type->tp_alloc(type, 0);
    if (made == NULL) return NULL;
    made->gate = held(gate);
    made->begin = held(begin);
    made->outputs = held(outputs);
    made->annotated = held(annotated);
    made->drawn = held(drawn);
    made->path = held(path);
    made->positional = held(positional);
    made->single = held(single);
    made->variable = held(variable);
    made->at = at;
    made->filtered = (char)filtered;
    made->joins = (char)joins;
    made->vectorcall = entry_vectorcall;
    return (PyObject *)made;
}

#define ENTRY_OBJECTS(X) X(gate) X(begin) X(outputs) X(annotated) X(drawn) X(path) X(positional) X(single) X(variable)

static int entry_traverse(PyObject *self, visitproc visit, void *arg) {
    CallEntry *entry = (CallEntry *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(entry->name);
    ENTRY_OBJECTS(VISIT)
#undef VISIT
    return 0;
}

/* What a call needs at its end stays: texts and functions of modules are in no cycle that only this breaks. */
static int entry_clear(PyObject *self) {
    CallEntry *entry = (CallEntry *)self;
    Py_CLEAR(entry->gate);
    return 0;
}

static void entry_dealloc(PyObject *self) {
    CallEntry *entry = (CallEntry *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
#define CLEAR(name) Py_CLEAR(entry->name);
    ENTRY_OBJECTS(CLEAR)
#undef CLEAR
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef entry_members[] = {
    {"gate", MEMBER_OBJECT, offsetof(CallEntry, gate), 0, NULL},
    {"begin", MEMBER_OBJECT, offsetof(CallEntry, begin), READONLY_MEMBER, NULL},
    {"__vectorcalloffset__", MEMBER_SIZE, offsetof(CallEntry, vectorcall), READONLY_MEMBER, NULL},
    {NULL},
};

static PyType_Slot entry_slots[] = {
    {Py_tp_doc, "Begins calls of one function in C if their arguments are plain, and others by *begin*."},
    {Py_tp_new, entry_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, entry_traverse},
    {Py_tp_clear, entry_clear},
    {Py_tp_dealloc, entry_dealloc},
    {Py_tp_members, entry_members},
    {0, NULL},
};

static PyType_Spec entry_spec = {
    "nilometer_speedups._lane.CallEntry", sizeof(CallEntry), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, entry_slots,
};

int make_call_types(PyObject *module) {
    call_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec, NULL);
    call_entry_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &entry_spec, NULL);
    if (call_type == NULL || call_entry_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "FunctionCall", (PyObject *)call_type) < 0 ||
                   PyModule_AddObjectRef(module, "CallEntry", (PyObject *)call_entry_type) < 0
               ? -1
               : 0;
}
