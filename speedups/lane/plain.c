/* Plain values as MessagePack: None, bool, int of 64 bits, float and str, and maps of names to them. */
#include "msgpack.h"

Py_ssize_t map_head_size(Py_ssize_t count) { return count < 16 ? 1 : count <= 0xffff ? 3 : 5; }

unsigned char *put_map_head(unsigned char *at, Py_ssize_t count) {
    if (count < 16) {
        *at++ = (unsigned char)(0x80 | count);
        return at;
    }
    *at++ = count <= 0xffff ? 0xde : 0xdf;
    return put_big_endian(at, (unsigned long long)count, count <= 0xffff ? 2 : 4);
}

/* Read an int; -1 if it has more than 64 bits. */
static int integer_of(PyObject *value, int *negative, unsigned long long *bits) {
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0) {
        *negative = number < 0;
        *bits = (unsigned long long)number;
        return 0;
    }
    if (overflow < 0) return -1;
    *negative = 0;
    *bits = PyLong_AsUnsignedLongLong(value);
    if (*bits != (unsigned long long)-1 || !PyErr_Occurred()) return 0;
    PyErr_Clear();
    return -1;
}

static Py_ssize_t negative_size(long long number) {
    return number >= -32 ? 1 : number >= INT8_MIN ? 2 : number >= INT16_MIN ? 3 : number >= INT32_MIN ? 5 : 9;
}

static unsigned char *put_negative(unsigned char *at, long long number) {
    Py_ssize_t size = negative_size(number);
    if (size > 1) *at++ = (unsigned char)(size == 2 ? 0xd0 : size == 3 ? 0xd1 : size == 5 ? 0xd2 : 0xd3);
    return put_big_endian(at, (unsigned long long)number, size == 1 ? 1 : (int)size - 1);
}

/* Return the UTF-8 of a text; NULL without an error for lone surrogates. */
static const char *utf8_of(PyObject *text, Py_ssize_t *size) {
    const char *found = PyUnicode_AsUTF8AndSize(text, size);
    if (found == NULL) PyErr_Clear();
    return found;
}

Py_ssize_t plain_size(PyObject *value) {
    if (PyFloat_CheckExact(value)) return 9;
    if (PyUnicode_CheckExact(value)) {
        Py_ssize_t size;
        return utf8_of(value, &size) == NULL || size > UINT32_MAX ? -1 : text_size(size);
    }
    if (PyLong_CheckExact(value)) {
        int negative;
        unsigned long long bits;
        if (integer_of(value, &negative, &bits) < 0) return -1;
        return negative ? negative_size((long long)bits) : uint_size(bits);
    }
    return value == Py_None || value == Py_True || value == Py_False ? 1 : -1;
}

unsigned char *put_plain(unsigned char *at, PyObject *value) {
    if (PyFloat_CheckExact(value)) return put_double(at, PyFloat_AS_DOUBLE(value));
    if (PyUnicode_CheckExact(value)) {
        Py_ssize_t size = 0;
        const char *text = utf8_of(value, &size);
        return put_text(at, text, size);
    }
    if (PyLong_CheckExact(value)) {
        int negative = 0;
        unsigned long long bits = 0;
        integer_of(value, &negative, &bits);
        return negative ? put_negative(at, (long long)bits) : put_uint(at, bits);
    }
    *at++ = value == Py_None ? 0xc0 : value == Py_True ? 0xc3 : 0xc2;
    return at;
}

Py_ssize_t plain_map_size(PyObject *map) {
    if (!PyDict_CheckExact(map)) return -1;
    Py_ssize_t at = 0, total = map_head_size(PyDict_GET_SIZE(map));
    PyObject *name, *value;
    while (PyDict_Next(map, &at, &name, &value)) {
        if (!PyUnicode_CheckExact(name)) return -1;
        Py_ssize_t own = plain_size(name), size = own < 0 ? -1 : plain_size(value);
        if (size < 0 || own > PY_SSIZE_T_MAX - size || own + size > PY_SSIZE_T_MAX - total) return -1;
        total += own + size;
    }
    return total;
}

unsigned char *put_plain_map(unsigned char *at, PyObject *map) {
    Py_ssize_t position = 0;
    PyObject *name, *value;
    at = put_map_head(at, PyDict_GET_SIZE(map));
    while (PyDict_Next(map, &position, &name, &value)) at = put_plain(put_plain(at, name), value);
    return at;
}
