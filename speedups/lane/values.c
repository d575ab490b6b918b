/* `nilometer.log` for plain values, and what it adds to an observation.
 *
 * The Python function serves every other call: values that are not plain, names that repeat, and a context without
 * an observation.
 */
#include "msgpack.h"
#include <stddef.h>

PyTypeObject *annotations_type;

enum { MAX_NAMES = 256 }; /* as in nilometer.handoff.annotations */

/* ---- Annotations */

static PyObject *annotations_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords)) {
    PyObject *values = PyDict_New(), *labels = PyDict_New();
    Annotations *made = values == NULL || labels == NULL ? NULL : (Annotations *)type->tp_alloc(type, 0);
    if (made == NULL) {
        Py_XDECREF(values);
        Py_XDECREF(labels);
        return NULL;
    }
    made->values = values;
    made->labels = labels;
    return (PyObject *)made;
}

static int annotations_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Annotations *)self)->values);
    Py_VISIT(((Annotations *)self)->labels);
    return 0;
}

static int annotations_clear(PyObject *self) {
    Py_CLEAR(((Annotations *)self)->values);
    Py_CLEAR(((Annotations *)self)->labels);
    return 0;
}

static void annotations_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    annotations_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef annotations_members[] = {
    {"values", MEMBER_OBJECT, offsetof(Annotations, values), 0, NULL},
    {"labels", MEMBER_OBJECT, offsetof(Annotations, labels), 0, NULL},
    {NULL},
};

static PyType_Slot annotations_slots[] = {
    {Py_tp_doc, "The values and labels that the model's code added to one observation."},
    {Py_tp_new, annotations_new},
    {Py_tp_traverse, annotations_traverse},
    {Py_tp_clear, annotations_clear},
    {Py_tp_dealloc, annotations_dealloc},
    {Py_tp_members, annotations_members},
    {0, NULL},
};

static PyType_Spec annotations_spec = {
    "nilometer_speedups._lane.Annotations", sizeof(Annotations), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, annotations_slots,
};

/* ---- log */

static PyObject *variable, *log_in_python; /* what `log_function` was given; NULL before */

/* Return the place of the annotations of an exchange or a call; NULL for any other holder. */
static PyObject **annotations_of(PyObject *holder) {
    if (PyObject_TypeCheck(holder, exchange_type)) return &((Exchange *)holder)->annotations;
    if (Py_IS_TYPE(holder, call_type)) return &((Call *)holder)->annotations;
    return NULL;
}

static int are_plain(PyObject *values) {
    Py_ssize_t at = 0;
    PyObject *name, *value;
    while (PyDict_Next(values, &at, &name, &value))
        if (!PyUnicode_CheckExact(name) || !is_plain(value)) return 0;
    return 1;
}

/* Hold a copy of the values; 0, maybe with an error, if Python must do it. */
static int hold(PyObject *holder, PyObject *values) {
    PyObject **place = annotations_of(holder), *made = NULL, *before = NULL;
    if (place == NULL || PyDict_GET_SIZE(values) > MAX_NAMES || !are_plain(values)) return 0;
    /* Before Python 3.12, an allocation may run other code, which may end the request. So everything is allocated
     * first, and what the holder has is read after that. */
    PyObject *copy = PyDict_Copy(values); /* the caller may keep the dict */
    if (copy != NULL && *place == Py_None) made = annotations_new(annotations_type, NULL, NULL);
    if (made != NULL && *place == Py_None) {
        *place = held(made);
        Py_DECREF(Py_None);
    }
    PyObject *found = *place;
    int done = 0;
    if (copy != NULL && are_plain(copy) && found != NULL && Py_IS_TYPE(found, annotations_type)) {
        Annotations *annotations = (Annotations *)found;
        before = annotations->values;
        if (before != NULL && PyDict_CheckExact(before) && PyDict_GET_SIZE(before) == 0) {
            annotations->values = held(copy);
            done = 1;
        }
    }
    if (done) Py_DECREF(before);
    Py_XDECREF(copy);
    Py_XDECREF(made);
    return done;
}

static PyObject *log_values(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *values) {
    if (PyTuple_GET_SIZE(arguments) == 0 && values != NULL && PyDict_CheckExact(values)) {
        PyObject *holder = NULL;
        int held = PyContextVar_Get(variable, NULL, &holder) == 0 && holder != NULL && hold(holder, values);
        Py_XDECREF(holder);
        if (held) Py_RETURN_NONE;
        PyErr_Clear();
    }
    return PyObject_Call(log_in_python, arguments, values);
}

static PyMethodDef log_definition = {
    "log", (PyCFunction)(void (*)(void))log_values, METH_VARARGS | METH_KEYWORDS,
    "log($module, /, **values)\n--\n\nAdd *values* to the observation of the current request.\n\n"
    "A value is a number, text, a boolean, None, or a sequence or array of these. Repeated values of\n"
    "one name become a list. At most 256 names and 4096 values of each are kept. The function does\n"
    "nothing outside a request, and never raises."};

PyObject *log_function(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2 || !PyContextVar_CheckExact(arguments[0]) || !PyCallable_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "log_function needs a context variable and the function in Python");
        return NULL;
    }
    PyObject *home = PyObject_GetAttrString(arguments[1], "__module__");
    if (home == NULL) return NULL;
    PyObject *made = PyCFunction_NewEx(&log_definition, module, home); /* pickled by the name of its home */
    Py_DECREF(home);
    if (made == NULL) return NULL;
    Py_XSETREF(variable, held(arguments[0]));
    Py_XSETREF(log_in_python, held(arguments[1]));
    return made;
}

int make_annotations_type(PyObject *module) {
    annotations_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &annotations_spec, NULL);
    if (annotations_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "Annotations", (PyObject *)annotations_type);
}
