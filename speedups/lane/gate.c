/* The state of a worker that each request reads, and its queue. */
#include "lane.h"
#include <stddef.h>

PyTypeObject *gate_type, *queue_type;

static const long long ITEM_BYTES = 64; /* as in nilometer.handoff.sink */

/* ---- Gate */

static int gate_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Gate *)self)->sink);
    return 0;
}

static int gate_clear(PyObject *self) {
    Py_CLEAR(((Gate *)self)->sink);
    return 0;
}

static void gate_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    gate_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef gate_members[] = {
    {"live", MEMBER_BOOL, offsetof(Gate, live), 0, NULL},
    {"due", MEMBER_BOOL, offsetof(Gate, due), 0, NULL},
    {"nested", MEMBER_BOOL, offsetof(Gate, nested), 0, NULL},
    {"notes", MEMBER_BOOL, offsetof(Gate, notes), 0, NULL},
    {"share", MEMBER_DOUBLE, offsetof(Gate, share), 0, NULL},
    {"in_flight", MEMBER_SIZE, offsetof(Gate, in_flight), 0, NULL},
    {"sink", MEMBER_OBJECT, offsetof(Gate, sink), 0, NULL},
    {NULL},
};

static PyType_Slot gate_slots[] = {
    {Py_tp_doc, "What a request reads of its worker."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, gate_traverse},
    {Py_tp_clear, gate_clear},
    {Py_tp_dealloc, gate_dealloc},
    {Py_tp_members, gate_members},
    {0, NULL},
};

static PyType_Spec gate_spec = {
    "nilometer_speedups._lane.Gate", sizeof(Gate), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, gate_slots,
};

/* ---- Queue */

int offer(Queue *queue, PyObject *packed) {
    long long size = PyBytes_GET_SIZE(packed) + ITEM_BYTES;
    if (queue->offered_bytes - queue->taken_bytes + size > queue->max_bytes) {
        queue->refused++;
        return 0;
    }
    if (queue->items == NULL || PyList_Append(queue->items, packed) < 0) return -1;
    queue->offered_bytes += size;
    return 0;
}

static PyObject *queue_offer(PyObject *self, PyObject *packed) {
    if (!PyBytes_CheckExact(packed)) {
        PyErr_Format(PyExc_TypeError, "packed observation is %.100s, not bytes", Py_TYPE(packed)->tp_name);
        return NULL;
    }
    if (offer((Queue *)self, packed) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_new(PyTypeObject *type, PyObject *Py_UNUSED(arguments), PyObject *Py_UNUSED(keywords)) {
    PyObject *items = PyList_New(0);
    Queue *made = items == NULL ? NULL : (Queue *)type->tp_alloc(type, 0);
    if (made == NULL) {
        Py_XDECREF(items);
        return NULL;
    }
    made->items = items;
    return (PyObject *)made;
}

static int queue_init(PyObject *self, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"max_bytes", NULL};
    Queue *queue = (Queue *)self;
    return PyArg_ParseTupleAndKeywords(arguments, keywords, "L", names, &queue->max_bytes) ? 0 : -1;
}

static int queue_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Queue *)self)->items);
    return 0;
}

static int queue_clear(PyObject *self) {
    Py_CLEAR(((Queue *)self)->items);
    return 0;
}

static void queue_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    queue_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef queue_members[] = {
    {"_items", MEMBER_OBJECT, offsetof(Queue, items), READONLY_MEMBER, NULL},
    {"max_bytes", MEMBER_LONGLONG, offsetof(Queue, max_bytes), 0, NULL},
    {"_offered_bytes", MEMBER_LONGLONG, offsetof(Queue, offered_bytes), 0, NULL},
    {"_taken_bytes", MEMBER_LONGLONG, offsetof(Queue, taken_bytes), 0, NULL},
    {"refused", MEMBER_LONGLONG, offsetof(Queue, refused), 0, NULL},
    {NULL},
};

static PyMethodDef queue_methods[] = {
    {"offer", queue_offer, METH_O, "Store packed bytes if there is room; otherwise count them as refused."},
    {NULL},
};

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, "A queue of packed observations that never waits."},
    {Py_tp_new, queue_new},
    {Py_tp_init, queue_init},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_members, queue_members},
    {Py_tp_methods, queue_methods},
    {0, NULL},
};

static PyType_Spec queue_spec = {
    "nilometer_speedups._lane.Queue", sizeof(Queue), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, queue_slots,
};

int make_gate_types(PyObject *module) {
    gate_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &gate_spec, NULL);
    queue_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &queue_spec, NULL);
    if (gate_type == NULL || queue_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "Gate", (PyObject *)gate_type) < 0 ||
                   PyModule_AddObjectRef(module, "Queue", (PyObject *)queue_type) < 0
               ? -1
               : 0;
}
