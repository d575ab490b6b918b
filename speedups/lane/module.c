/* The module: its types, its constants, its clocks. */
#include "lane.h"
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "nilometer-speedups needs the global interpreter lock; nilometer's Python code does not."
#endif
#ifndef __linux__
#error "nilometer-speedups reads Linux's clocks; on other systems use nilometer's Python code."
#endif

PyObject *empty_bytes, *empty_tuple, *zero;
#define DEFINED(name, text) PyObject *name_##name;
NAMES(DEFINED)
#undef DEFINED

/* As time.perf_counter(), so that Python code may subtract times of this code. */
double monotonic_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

long long unix_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int fill(PyObject *module) {
    static int filled;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "nilometer-speedups does not support sub-interpreters");
        return -1;
    }
    if (filled) {
        PyErr_SetString(PyExc_ImportError, "nilometer-speedups can be loaded once per process");
        return -1;
    }
    empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    empty_tuple = PyTuple_New(0);
    zero = PyLong_FromLong(0);
    if (empty_bytes == NULL || empty_tuple == NULL || zero == NULL) return -1;
#define INTERN(name, text)                                                                                             \
    if ((name_##name = PyUnicode_InternFromString(text)) == NULL) return -1;
    NAMES(INTERN)
#undef INTERN
    if (make_gate_types(module) < 0 || make_exchange_type(module) < 0 || make_receiving_type(module) < 0 ||
        make_serving_type(module) < 0 || make_entry_types(module) < 0 || make_annotations_type(module) < 0 ||
        make_call_types(module) < 0)
        return -1;
    filled = 1;
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static PyMethodDef functions[] = {
    {"log_function", (PyCFunction)(void (*)(void))log_function, METH_FASTCALL,
     "Return `log` in C, given the context variable and the function in Python that serves what is not plain."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "nilometer_speedups._lane",
    .m_doc = "The request path of nilometer's ASGI middleware.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__lane(void) { return PyModuleDef_Init(&definition); }
