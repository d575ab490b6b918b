/* Parts of the two awaitables: how they run the iterator of another, and report what it returned. */
#include "lane.h"

/* Whether types.coroutine made a generator awaitable. */
static int is_old_coroutine(PyObject *object) {
    if (!PyGen_CheckExact(object)) return 0;
    PyObject *code = PyObject_GetAttrString(object, "gi_code");
    int found = code != NULL && PyCode_Check(code) && (((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE);
    Py_XDECREF(code);
    PyErr_Clear();
    return found;
}

PyObject *iterator_of(PyObject *awaitable) {
    if (awaitable == NULL || PyCoro_CheckExact(awaitable)) return awaitable;
    PyTypeObject *type = Py_TYPE(awaitable);
    PyObject *iterator = NULL;
    if (type->tp_as_async != NULL && type->tp_as_async->am_await != NULL) {
        iterator = type->tp_as_async->am_await(awaitable);
        if (iterator != NULL && !PyIter_Check(iterator)) {
            PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'", Py_TYPE(iterator)->tp_name);
            Py_CLEAR(iterator);
        }
    } else if (is_old_coroutine(awaitable)) {
        return awaitable;
    } else {
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression", type->tp_name);
    }
    Py_DECREF(awaitable);
    return iterator;
}

/* Set StopIteration with *value*, which is stolen. */
static void stop_with(PyObject *value) {
    if (value == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
        PyErr_SetObject(PyExc_StopIteration, value); /* without an instance, where Python allows it */
    } else { /* would be taken for the arguments, or for the error itself */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
    }
    Py_DECREF(value);
}

PyObject *as_next(PySendResult result, PyObject *value) {
    if (result == PYGEN_NEXT) return value;
    if (result == PYGEN_RETURN) {
        if (value == Py_None) { /* no error set means None, and costs nothing */
            Py_DECREF(value);
        } else {
            stop_with(value);
        }
    }
    return NULL;
}

PyObject *as_sent(PySendResult result, PyObject *value) {
    if (result == PYGEN_NEXT) return value;
    if (result == PYGEN_RETURN) stop_with(value);
    return NULL;
}

/* Raise the exception that arguments of throw() name. Always returns -1. */
int raise_thrown(PyObject *const *arguments, Py_ssize_t count) {
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return -1;
    }
    PyObject *type = arguments[0], *value = count > 1 ? arguments[1] : NULL, *traceback = count > 2 ? arguments[2] : NULL;
    if (value == Py_None) value = NULL;
    if (traceback == Py_None) traceback = NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
    } else if (PyExceptionInstance_Check(type)) {
        if (value != NULL) {
            PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
        } else {
            if (traceback != NULL) PyException_SetTraceback(type, traceback);
            PyErr_SetObject((PyObject *)Py_TYPE(type), type);
        }
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException, not %.100s",
                     Py_TYPE(type)->tp_name);
    }
    return -1;
}

/* Replace a StopIteration that is the current error, as `async def` does: it would be taken for a return. */
void no_stop_iteration(void) {
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return;
    PyObject *type, *stop, *traceback, *kind, *error, *none;
    PyErr_Fetch(&type, &stop, &traceback);
    PyErr_NormalizeException(&type, &stop, &traceback);
    if (traceback != NULL) PyException_SetTraceback(stop, traceback);
    PyErr_SetString(PyExc_RuntimeError, "coroutine raised StopIteration");
    PyErr_Fetch(&kind, &error, &none);
    PyErr_NormalizeException(&kind, &error, &none);
    PyException_SetContext(error, Py_NewRef(stop));
    PyException_SetCause(error, stop);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    PyErr_Restore(kind, error, none);
}

PySendResult thrown_into(PyObject *inner, PyObject *const *arguments, Py_ssize_t count, PyObject **value) {
    *value = NULL;
    PyObject *throw = PyObject_GetAttr(inner, name_throw);
    if (throw == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) { /* raised where it was thrown, as in a generator */
            PyErr_Clear();
            raise_thrown(arguments, count);
        }
        return PYGEN_ERROR;
    }
    *value = PyObject_Vectorcall(throw, arguments, (size_t)count, NULL);
    Py_DECREF(throw);
    if (*value != NULL) return PYGEN_NEXT;
    if (!PyErr_Occurred()) {
        *value = held(Py_None);
        return PYGEN_RETURN;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return PYGEN_ERROR;
    PyObject *type, *stop, *traceback;
    PyErr_Fetch(&type, &stop, &traceback);
    PyErr_NormalizeException(&type, &stop, &traceback);
    *value = PyObject_GetAttr(stop, name_value);
    Py_XDECREF(type);
    Py_XDECREF(stop);
    Py_XDECREF(traceback);
    return *value == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

PyObject *close_iterator(PyObject *inner) {
    PyObject *close = PyObject_GetAttr(inner, name_close);
    if (close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *closed = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    if (closed == NULL) return NULL;
    Py_DECREF(closed);
    Py_RETURN_NONE;
}
