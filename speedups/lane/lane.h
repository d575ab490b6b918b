/* The request path of the ASGI middleware in C, and `observe` and `log`.
 *
 * Only the plain case is here: one body in each direction, both plain `bytes` under the cap, no
 * sampling, no redaction on the path, no header that identifies a prediction; and calls and logged
 * values that are None, bool, int, float or str. Whatever is not plain goes to the Python code of
 * `nilometer.capture` and `nilometer.handoff`, which is the only other implementation of these rules.
 *
 * No function here raises an exception of its own into the application: where the C code cannot go on,
 * it clears its error and leaves the request to Python.
 */
#ifndef NILOMETER_LANE_H
#define NILOMETER_LANE_H

enum { INTERFACE = 2 }; /* changes with what the Python code expects; as in nilometer.handoff.plain */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX >= 0x030C0000
#define MEMBER_OBJECT Py_T_OBJECT_EX
#define MEMBER_BOOL Py_T_BOOL
#define MEMBER_DOUBLE Py_T_DOUBLE
#define MEMBER_SIZE Py_T_PYSSIZET
#define MEMBER_LONGLONG Py_T_LONGLONG
#define READONLY_MEMBER Py_READONLY
#else
#include <structmember.h>
#define MEMBER_OBJECT T_OBJECT_EX
#define MEMBER_BOOL T_BOOL
#define MEMBER_DOUBLE T_DOUBLE
#define MEMBER_SIZE T_PYSSIZET
#define MEMBER_LONGLONG T_LONGLONG
#define READONLY_MEMBER READONLY
#endif

/* What a request reads of its worker; base of `nilometer.handoff.worker.Worker`. */
typedef struct {
    PyObject_HEAD
    char live, due, nested, notes;
    double share;
    Py_ssize_t in_flight;
    PyObject *sink;
} Gate;

/* The queue of packed observations; base of `nilometer.handoff.sink.Sink`. */
typedef struct {
    PyObject_HEAD
    PyObject *items; /* list */
    long long max_bytes, offered_bytes, taken_bytes, refused;
} Queue;

/* What a request reads of its middleware. */
typedef struct {
    PyObject_HEAD
    Gate *gate;
    PyObject *excluded;        /* set or frozenset of paths */
    PyObject *request_names;   /* tuple of bytes: headers that only Python can pack */
    PyObject *response_names;
    PyObject *variable;        /* the context variable of `nilometer.log` */
    PyTypeObject *kind;        /* the Python class of exchanges */
    Py_ssize_t cap;
    int keeps_bodies;
    int values_only;           /* whether `log` is the only content of an observation */
    unsigned long long request_lengths, response_lengths; /* bit n: some name has n bytes */
} Entry;

/* The state of one exchange; base of `nilometer.capture.exchange.Exchange`. */
typedef struct {
    PyObject_HEAD
    PyObject *app_receive, *app_send, *worker, *request, *response, *response_headers, *finished, *more, *annotations, *status;
    PyObject *latest; /* time of the latest body message, a float of monotonic seconds */
    Py_ssize_t cap;
} Exchange;

/* What the model's code added to one observation; `nilometer.handoff.annotations.Annotations`. */
typedef struct {
    PyObject_HEAD
    PyObject *values, *labels; /* dict */
} Annotations;

/* One call of an observed function. */
typedef struct {
    PyObject_HEAD
    PyObject *entry, *worker, *annotations;
    PyObject *inputs;     /* MessagePack of the columns, as bytes */
    PyObject *token;      /* of the context variable; NULL if it was not set */
    long long arrival_ns; /* Unix nanoseconds */
    double started;       /* monotonic seconds */
    Py_ssize_t in_flight;
} Call;

typedef enum { CREATED, SUSPENDED, CLOSED } Stage;

/* The awaitable that serves one exchange. */
typedef struct {
    PyObject_HEAD
    Entry *entry;
    Exchange *exchange;
    PyObject *middleware, *scope, *path, *headers; /* NULL after the end */
    PyObject *inner;                               /* iterator of the application's awaitable */
    double started;                                /* monotonic seconds */
    long long arrival_ns;                          /* Unix nanoseconds */
    Py_ssize_t in_flight;
    Stage stage;
    char running;
} Serving;

extern PyTypeObject *gate_type, *queue_type, *exchange_type, *annotations_type, *call_type;
int make_gate_types(PyObject *module);
int make_exchange_type(PyObject *module);
int make_receiving_type(PyObject *module);
int make_serving_type(PyObject *module);
int make_entry_types(PyObject *module);
int make_annotations_type(PyObject *module);
int make_call_types(PyObject *module);

/* Interned strings. */
#define NAMES(X)                                                                                                       \
    X(app, "app") X(body, "body") X(close, "close") X(finish, "_finish") X(headers, "headers") X(http, "http")         \
    X(labels, "labels") X(method, "method") X(more_body, "more_body") X(note_received, "_note_received") X(path, "path")                   \
    X(plain, "_plain") X(request, "http.request") X(response_body, "http.response.body")                               \
    X(response_start, "http.response.start") X(root_path, "root_path") X(send, "send") X(status, "status")             \
    X(throw, "throw") X(type, "type") X(value, "value") X(values, "values")
#define DECLARED(name, text) extern PyObject *name_##name;
NAMES(DECLARED)
#undef DECLARED
extern PyObject *empty_bytes, *empty_tuple, *zero; /* b"", () and 0 */

double monotonic_seconds(void);
long long unix_nanoseconds(void);

static inline int is_text(PyObject *text, PyObject *interned) {
    return text == interned || (PyUnicode_CheckExact(text) && PyUnicode_Compare(text, interned) == 0);
}

/* Whether MessagePack has a form for the value, but for the size of an int. */
static inline int is_plain(PyObject *value) {
    return PyFloat_CheckExact(value) || PyUnicode_CheckExact(value) || PyLong_CheckExact(value) || value == Py_None ||
           PyBool_Check(value);
}

static inline PyObject *held(PyObject *object) {
    Py_INCREF(object);
    return object;
}

/* messages.c: record a message; 1 if done, 0 if Python must do it. No error is left set. */
int note_received(Exchange *exchange, PyObject *message);
int note_sent(Exchange *exchange, PyObject *message);

/* pack.c: the packed observation, or NULL without an error if it is not plain. */
PyObject *packed(Serving *serving, unsigned long status, double latency);

/* gate.c: store packed bytes if there is room; -1 with an error set if there is no memory. */
int offer(Queue *queue, PyObject *packed);

/* exchange.c: a new exchange, and the functions that its application gets. */
PyObject *exchange_of(Entry *entry, PyObject *receive, PyObject *send);
PyObject *receive_of(Exchange *exchange);
PyObject *send_of(Exchange *exchange);

/* values.c: `nilometer.log`, given the context variable and the function in Python. */
PyObject *log_function(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* receiving.c: the awaitable that the application gets from `receive`. */
PyObject *receiving(Exchange *exchange);

/* serving.c: the awaitable that the server gets from the middleware. */
PyObject *serving(Entry *entry, PyObject *middleware, PyObject *scope, PyObject *path, PyObject *headers,
                  PyObject *receive, PyObject *send);

/* awaiting.c: parts of the two awaitables. */
PyObject *iterator_of(PyObject *awaitable); /* steals the reference, which may be NULL */
PyObject *as_next(PySendResult result, PyObject *value); /* for tp_iternext */
PyObject *as_sent(PySendResult result, PyObject *value); /* for send() and throw() */
PySendResult thrown_into(PyObject *inner, PyObject *const *arguments, Py_ssize_t count, PyObject **value);
PyObject *close_iterator(PyObject *inner); /* None, or NULL with an error */
void no_stop_iteration(void);
int raise_thrown(PyObject *const *arguments, Py_ssize_t count);

#endif
