/* The compiled half of a tap: it counts the common message, and traces it where it is asked to.

   `tap.py` does all of this too, and everything else: a gate, a user's key, a frame that is not copied. What is here
   is what a message at full rate passes through. All of it runs with the GIL held, but for libzmq's own calls. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#ifndef SOURCE /* what this file was when it was compiled: see hatch_build.py and meter.py */
#define SOURCE ""
#endif
#include <structmember.h>
#include <errno.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

enum { NOWHERE = 0, SENDING = 1, RECEIVING = 2 }; /* Meter.inside */
enum { NOBLOCK = 1, SNDMORE = 2, RCVMORE = 13 };  /* libzmq's own; stable since its version 3 */
enum { OUT_OF_STEP = 156384763 };                 /* libzmq's EFSM, likewise */
enum { WHOLE = 512, PART = 64, HEAD = 64 };       /* as in keys.py and recording.py */
enum { LITTLE = 4096 };                           /* records whose room is not worth giving back */

/* One traced message; `zlab.recording.LEAN` describes it to numpy. */
typedef struct {
    long long time, done, rank, key, size, direction;
    char head[HEAD];
} Record;

typedef struct {
    PyObject_HEAD
    long long sent, more_sent, sent_bytes, refused, swallowed, copied;
    long long received, more_received, received_bytes;
    long long out_of_step;
    long long size_sent, size_received; /* of the frames so far of a message that is under way */
    PyObject *first;                    /* the first frame of a message that is sent in parts; NULL between messages */
    unsigned long thread;
    int inside;
    char fast, asking, announced, more, publishes, tracing, overflowed, steps;
    long long mask, limit;
    long long entered; /* when the send began that is traced and not written down yet; 0 */
    PyObject *single, *several; /* what a publisher is asked for */
    PyObject *note;             /* writes down a publisher's traced message */
    PyObject *intruded;         /* told of a second thread before it enters */
    PyObject *store, *spare; /* bytes that hold the records; what was taken before, to be written over once it is free */
    Py_ssize_t used, room;
} Meter;

static PyTypeObject Meter_Type, Method_Type;
static uint64_t seed;        /* another one in every process, as Python has for its own hashes */
static PyObject *zmq_error;  /* zmq.ZMQError */
static PyObject *rcvmore;    /* the option, as an int */
static PyObject *name_flags; /* "flags" */
static PyObject *name_errno, *name_count, *name_prefixes, *name_startswith, *one;

static long long
now(void)
{
#ifdef __APPLE__
    return (long long)clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
#endif
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 29);
}

static uint64_t
mix_all(uint64_t hash, const char *body, Py_ssize_t size)
{
    uint64_t word;

    for (; size >= 8; body += 8, size -= 8) {
        memcpy(&word, body, 8);
        hash = mix(hash, word);
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, body, (size_t)size);
        hash = mix(hash, word);
    }
    return hash;
}

/* What a body is known by: the whole of a short one; of a long one its length and three parts, as in keys.py. */
static long long
key_of(const char *body, Py_ssize_t size)
{
    uint64_t hash = mix(seed, (uint64_t)size);

    if (size <= WHOLE)
        hash = mix_all(hash, body, size);
    else {
        hash = mix_all(hash, body, PART);
        hash = mix_all(hash, body + size / 2, PART);
        hash = mix_all(hash, body + size - PART, PART);
    }
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (long long)(hash ^ (hash >> 32));
}

/* --- Meter ------------------------------------------------------------------------------------------------------ */

static int
Meter_traverse(Meter *self, visitproc visit, void *arg)
{
    Py_VISIT(self->first);
    Py_VISIT(self->single);
    Py_VISIT(self->several);
    Py_VISIT(self->note);
    Py_VISIT(self->intruded);
    return 0;
}

static int
Meter_clear(Meter *self)
{
    Py_CLEAR(self->first);
    Py_CLEAR(self->single);
    Py_CLEAR(self->several);
    Py_CLEAR(self->note);
    Py_CLEAR(self->intruded);
    return 0;
}

static void
Meter_dealloc(Meter *self)
{
    PyObject_GC_UnTrack(self);
    Meter_clear(self);
    Py_XDECREF(self->store);
    Py_XDECREF(self->spare);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Meter_read(Meter *self, PyObject *Py_UNUSED(none))
{
    return Py_BuildValue("(LLLLLLLLL)", self->sent, self->sent + self->more_sent, self->sent_bytes, self->refused,
                         self->received, self->received + self->more_received, self->received_bytes,
                         self->swallowed, self->copied);
}

/* The records are handed over as they are, without a copy: two stores are written in turn. */
static PyObject *
Meter_drain(Meter *self, PyObject *Py_UNUSED(none))
{
    PyObject *taken = self->store, *result;
    Py_ssize_t used = self->used, room = self->room;

    if (used == 0)
        return Py_BuildValue("(yn)", "", (Py_ssize_t)0);
    self->store = NULL;
    self->used = self->room = 0;
    if (self->spare != NULL && Py_REFCNT(self->spare) == 1) { /* nobody reads it any more */
        self->store = self->spare;
        self->room = PyBytes_GET_SIZE(self->store) / (Py_ssize_t)sizeof(Record);
        self->spare = NULL;
    }
    Py_XDECREF(self->spare);
    self->spare = NULL;
    if (room <= LITTLE || used > room / 4) { /* else a burst is over: its room is given back */
        Py_INCREF(taken);
        self->spare = taken;
    }
    result = Py_BuildValue("(On)", taken, used);
    Py_DECREF(taken);
    return result;
}

/* Room for one more record; where there is none, tracing ends until the clock comes by. */
static Record *
Meter_room(Meter *self)
{
    if (self->used >= self->limit) {
        self->overflowed = 1;
        self->tracing = 0;
        return NULL;
    }
    if (self->used == self->room) {
        Py_ssize_t room = self->room ? self->room * 2 : 64;

        if (self->store == NULL)
            self->store = PyBytes_FromStringAndSize(NULL, room * (Py_ssize_t)sizeof(Record));
        else
            _PyBytes_Resize(&self->store, room * (Py_ssize_t)sizeof(Record));
        if (self->store == NULL) {
            PyErr_Clear(); /* the message has crossed: that it could not be written down is not its fault */
            self->used = self->room = 0;
            return NULL;
        }
        self->room = room;
    }
    return (Record *)PyBytes_AS_STRING(self->store) + self->used++;
}

static void
Meter_write(Meter *self, long long time, long long done, long long rank, long long key, long long size, int direction,
            PyObject *body)
{
    Record *record = Meter_room(self);
    Py_ssize_t length = PyBytes_GET_SIZE(body);

    if (record == NULL)
        return;
    record->time = time;
    record->done = done;
    record->rank = rank;
    record->key = key;
    record->size = size;
    record->direction = direction;
    if (direction != 0)
        return; /* how it begins is told where it was sent */
    if (length >= HEAD)
        memcpy(record->head, PyBytes_AS_STRING(body), HEAD);
    else {
        memcpy(record->head, PyBytes_AS_STRING(body), (size_t)length);
        memset(record->head + length, 0, HEAD - (size_t)length);
    }
}

static PyMethodDef Meter_methods[] = {
    {"read", (PyCFunction)Meter_read, METH_NOARGS, "All counts at one moment, in the order of `Counts`."},
    {"drain", (PyCFunction)Meter_drain, METH_NOARGS, "Take the records written since the last call: bytes, and how many they hold."},
    {NULL, NULL, 0, NULL},
};

#define COUNT(name) {#name, T_LONGLONG, offsetof(Meter, name), 0, NULL}
#define FLAG(name) {#name, T_BOOL, offsetof(Meter, name), 0, NULL}
#define OBJECT(name) {#name, T_OBJECT, offsetof(Meter, name), 0, NULL}
static PyMemberDef Meter_members[] = {
    COUNT(sent), COUNT(more_sent), COUNT(sent_bytes), COUNT(refused), COUNT(swallowed), COUNT(copied),
    COUNT(received), COUNT(more_received), COUNT(received_bytes), COUNT(size_sent), COUNT(size_received),
    COUNT(mask), COUNT(limit), COUNT(entered), FLAG(fast), FLAG(asking), FLAG(announced), FLAG(more), FLAG(publishes), FLAG(tracing),
    FLAG(overflowed), FLAG(steps), COUNT(out_of_step), OBJECT(first), OBJECT(single), OBJECT(several), OBJECT(note),
    OBJECT(intruded),
    {"thread", T_ULONG, offsetof(Meter, thread), 0, NULL},
    {"inside", T_INT, offsetof(Meter, inside), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject Meter_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "zlab.probe._fast.Meter",
    .tp_doc = "All that is counted on one socket: written by the thread that owns it.",
    .tp_basicsize = sizeof(Meter),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)Meter_dealloc,
    .tp_traverse = (traverseproc)Meter_traverse,
    .tp_clear = (inquiry)Meter_clear,
    .tp_methods = Meter_methods,
    .tp_members = Meter_members,
};

/* --- what subscribers ask for ----------------------------------------------------------------------------------- */

static int
hit(PyObject *ask)
{
    PyObject *before = PyObject_GetAttr(ask, name_count), *after;
    int failed;

    if (before == NULL)
        return -1;
    after = PyNumber_Add(before, one);
    Py_DECREF(before);
    if (after == NULL)
        return -1;
    failed = PyObject_SetAttr(ask, name_count, after);
    Py_DECREF(after);
    return failed;
}

/* Count a published message with each set of prefixes that it matches; as `match` in tap.py. */
static int
match(Meter *meter, PyObject *topic)
{
    /* Another thread may put others in their place meanwhile. */
    PyObject *single = meter->single, *several = meter->several;
    int failed = 0;

    Py_XINCREF(single);
    Py_XINCREF(several);
    for (Py_ssize_t i = 0; !failed && single != NULL && PyTuple_CheckExact(single) && i < PyTuple_GET_SIZE(single); i++) {
        PyObject *pair = PyTuple_GET_ITEM(single, i), *head, *ask;
        Py_ssize_t length = PyLong_AsSsize_t(PyTuple_GET_ITEM(pair, 0));

        if (length > PyBytes_GET_SIZE(topic))
            continue;
        head = PyBytes_FromStringAndSize(PyBytes_AS_STRING(topic), length);
        if (head == NULL) {
            failed = -1;
            break;
        }
        ask = PyDict_GetItemWithError(PyTuple_GET_ITEM(pair, 1), head);
        Py_DECREF(head);
        if (ask != NULL)
            failed = hit(ask);
        else if (PyErr_Occurred())
            failed = -1;
    }
    for (Py_ssize_t i = 0; !failed && several != NULL && PyTuple_CheckExact(several) && i < PyTuple_GET_SIZE(several); i++) {
        PyObject *ask = PyTuple_GET_ITEM(several, i), *prefixes = PyObject_GetAttr(ask, name_prefixes), *matches = NULL;

        if (prefixes != NULL)
            matches = PyObject_CallMethodOneArg(topic, name_startswith, prefixes);
        Py_XDECREF(prefixes);
        if (matches == NULL)
            failed = -1;
        else if (matches == Py_True)
            failed = hit(ask);
        Py_XDECREF(matches);
    }
    Py_XDECREF(single);
    Py_XDECREF(several);
    return failed;
}

/* --- Method: what stands in the place of a socket's send or recv -------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *dict;
    PyObject *weak;
    Meter *meter;
    PyObject *raw;  /* pyzmq's compiled method */
    PyObject *get;  /* its getsockopt */
    PyObject *slow; /* tap.py's, of the same signature */
    PyObject *late; /* on recv: tap.py's, told of a message that has been received */
    int quiet;      /* on send: whether a refusal is none that the program hears of */
} Method;

static int
Method_traverse(Method *self, visitproc visit, void *arg)
{
    Py_VISIT(self->dict);
    Py_VISIT(self->meter);
    Py_VISIT(self->raw);
    Py_VISIT(self->get);
    Py_VISIT(self->slow);
    Py_VISIT(self->late);
    return 0;
}

static int
Method_clear(Method *self)
{
    Py_CLEAR(self->dict);
    Py_CLEAR(self->meter);
    Py_CLEAR(self->raw);
    Py_CLEAR(self->get);
    Py_CLEAR(self->slow);
    Py_CLEAR(self->late);
    return 0;
}

static void
Method_dealloc(Method *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weak != NULL)
        PyObject_ClearWeakRefs((PyObject *)self);
    Method_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Method_bind(PyObject *self, PyObject *socket, PyObject *Py_UNUSED(type))
{
    if (socket == NULL || socket == Py_None) {
        Py_INCREF(self);
        return self;
    }
    return PyMethod_New(self, socket);
}

static PyMemberDef Method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Method, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Method, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Method, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Method_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject Method_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "zlab.probe._fast.Method",
    .tp_doc = "A method of a socket that counts.",
    .tp_basicsize = sizeof(Method),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_vectorcall_offset = offsetof(Method, call),
    .tp_call = PyVectorcall_Call,
    .tp_dictoffset = offsetof(Method, dict),
    .tp_weaklistoffset = offsetof(Method, weak),
    .tp_descr_get = Method_bind,
    .tp_dealloc = (destructor)Method_dealloc,
    .tp_traverse = (traverseproc)Method_traverse,
    .tp_clear = (inquiry)Method_clear,
    .tp_members = Method_members,
    .tp_getset = Method_getset,
};

/* The flags of a call that has so many arguments before them and nothing behind: -1 if it is another. */
static long
flags_of(PyObject *const *args, Py_ssize_t given, PyObject *names, Py_ssize_t before)
{
    PyObject *flags;
    long value;

    if (given == before && names == NULL)
        return 0;
    if (given == before + 1 && names == NULL)
        flags = args[before];
    else if (given == before && PyTuple_GET_SIZE(names) == 1 &&
             PyUnicode_Compare(PyTuple_GET_ITEM(names, 0), name_flags) == 0)
        flags = args[before];
    else
        return -1;
    if (!PyLong_Check(flags))
        return -1;
    value = PyLong_AsLong(flags);
    if (value == -1 && PyErr_Occurred())
        PyErr_Clear();
    return value;
}

/* Whether a message is being sent in parts. */
static int
under_way(Meter *meter)
{
    return meter->first != NULL && meter->first != Py_None;
}

/* Another thread stands inside: whoever is told of it may refuse, before libzmq is entered a second time. */
static int
intrude(Meter *meter)
{
    PyObject *told;

    if (meter->intruded == NULL || meter->intruded == Py_None)
        return 0;
    told = PyObject_CallNoArgs(meter->intruded);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

/* A refusal that the program is told of: the high-water mark, an address that is not there, or a call out of turn. */
static void
note_refusal(Meter *meter, int counts)
{
    PyObject *type, *error, *trace, *number;

    if (!PyErr_ExceptionMatches(zmq_error))
        return;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    number = PyObject_GetAttr(error, name_errno);
    if (number != NULL && PyLong_Check(number)) {
        long value = PyLong_AsLong(number);

        if (counts && (value == EAGAIN || value == EHOSTUNREACH))
            meter->refused++;
        if (value == OUT_OF_STEP)
            meter->out_of_step++;
    }
    Py_XDECREF(number);
    PyErr_Clear();
    PyErr_Restore(type, error, trace);
}

static PyObject *
send(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Method *self = (Method *)callable;
    Meter *meter = self->meter;
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    PyObject *result, *data, *first;
    long long began = 0, size;
    long flags;

    if (!meter->fast || given < 2 || !PyBytes_CheckExact(args[1]) || (flags = flags_of(args, given, names, 2)) < 0 ||
        flags > (NOBLOCK | SNDMORE) || ((flags & SNDMORE) && !meter->announced))
        return PyObject_Vectorcall(self->slow, args, nargsf, names);
    data = args[1];
    if (meter->inside != NOWHERE && intrude(meter) < 0)
        return NULL;
    meter->thread = PyThread_get_thread_ident();
    if (meter->tracing)
        began = meter->entered = now();
    meter->inside = SENDING;
    result = PyObject_Vectorcall(self->raw, args, flags ? 3 : 2, NULL);
    meter->inside = NOWHERE;
    if (result == NULL) {
        meter->entered = 0;
        if (!under_way(meter) && (!self->quiet || meter->steps))
            note_refusal(meter, !self->quiet);
        return NULL;
    }
    size = PyBytes_GET_SIZE(data);
    meter->sent_bytes += size;
    meter->size_sent += size;
    if (flags & SNDMORE) {
        meter->entered = 0;
        meter->more_sent++;
        if (!under_way(meter)) {
            Py_INCREF(data);
            Py_XSETREF(meter->first, data);
        }
        return result;
    }
    meter->sent++;
    size = meter->size_sent;
    meter->size_sent = 0;
    first = under_way(meter) ? meter->first : NULL; /* from here on it is ours, if it is one */
    if (first != NULL)
        meter->first = NULL;
    if (meter->publishes && match(meter, first == NULL ? data : first) < 0)
        PyErr_WriteUnraisable(callable); /* the message has left: that is what its sender must learn */
    if (meter->tracing && began) {
        long long key = key_of(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));

        if (!(key & meter->mask)) {
            long long done = now();

            if (meter->publishes && meter->note != NULL && meter->note != Py_None) {
                PyObject *noted = PyObject_CallFunction(meter->note, "LLLLO", began, done, key, size,
                                                        first == NULL ? data : first);
                if (noted == NULL)
                    PyErr_WriteUnraisable(callable);
                Py_XDECREF(noted);
            }
            else
                Meter_write(meter, began, done, meter->sent, key, size, 0, data);
        }
    }
    meter->entered = 0;
    Py_XDECREF(first);
    return result;
}

static PyObject *
recv(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Method *self = (Method *)callable;
    Meter *meter = self->meter;
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    PyObject *data;
    long flags;

    if (given < 1 || (flags = flags_of(args, given, names, 1)) < 0)
        return PyObject_Vectorcall(self->slow, args, nargsf, names);
    if (meter->inside != NOWHERE && intrude(meter) < 0)
        return NULL;
    meter->thread = PyThread_get_thread_ident();
    meter->inside = RECEIVING;
    data = PyObject_Vectorcall(self->raw, args, flags ? 2 : 1, NULL);
    meter->inside = NOWHERE;
    if (data == NULL) {
        if (meter->steps)
            note_refusal(meter, 0);
        return NULL;
    }
    if (!meter->fast || !PyBytes_CheckExact(data)) {
        PyObject *told = PyObject_CallFunctionObjArgs(self->late, args[0], data, Py_True, NULL);

        if (told == NULL) {
            Py_DECREF(data);
            return NULL;
        }
        Py_DECREF(told);
        return data;
    }
    meter->received_bytes += PyBytes_GET_SIZE(data);
    meter->size_received += PyBytes_GET_SIZE(data);
    if (meter->asking) {
        PyObject *asked[2] = {args[0], rcvmore}, *more = PyObject_Vectorcall(self->get, asked, 2, NULL);

        if (more == NULL) {
            Py_DECREF(data);
            return NULL;
        }
        meter->more = (char)PyObject_IsTrue(more);
        Py_DECREF(more);
        if (meter->more) {
            meter->more_received++;
            return data;
        }
    }
    meter->received++;
    if (meter->tracing) {
        long long came = now(); /* the time first: what the key takes is the receiver's, not the message's */
        long long key = key_of(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));

        if (!(key & meter->mask))
            Meter_write(meter, came, 0, meter->received, key, meter->size_received, 1, data);
    }
    meter->size_received = 0;
    return data;
}

static PyObject *
method(vectorcallfunc call, PyObject *meter, PyObject *raw, PyObject *get, PyObject *slow, PyObject *late, int quiet)
{
    Method *made = PyObject_GC_New(Method, &Method_Type);

    if (made == NULL)
        return NULL;
    made->call = call;
    made->dict = NULL;
    made->weak = NULL;
    Py_INCREF(meter);
    made->meter = (Meter *)meter;
    Py_INCREF(raw);
    made->raw = raw;
    Py_XINCREF(get);
    made->get = get;
    Py_INCREF(slow);
    made->slow = slow;
    Py_XINCREF(late);
    made->late = late;
    made->quiet = quiet;
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

static PyObject *
sender(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *meter, *raw, *slow;
    int quiet;

    if (!PyArg_ParseTuple(args, "O!OOp", &Meter_Type, &meter, &raw, &slow, &quiet))
        return NULL;
    return method(send, meter, raw, NULL, slow, NULL, quiet);
}

static PyObject *
receiver(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *meter, *raw, *get, *slow, *late;

    if (!PyArg_ParseTuple(args, "O!OOOO", &Meter_Type, &meter, &raw, &get, &slow, &late))
        return NULL;
    return method(recv, meter, raw, get, slow, late, 0);
}

static PyObject *
py_key_of(PyObject *Py_UNUSED(module), PyObject *body)
{
    Py_buffer view;
    long long key;

    if (PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    key = key_of(view.buf, view.len);
    PyBuffer_Release(&view);
    return PyLong_FromLongLong(key);
}

static PyMethodDef functions[] = {
    {"key_of", py_key_of, METH_O, "key_of(body): what a body is known by at every socket of the process."},
    {"sender", sender, METH_VARARGS, "sender(meter, raw, slow, quiet): a `send` that counts."},
    {"receiver", receiver, METH_VARARGS, "receiver(meter, raw, get, slow, late): a `recv` that counts."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zlab.probe._fast",
    .m_doc = "The compiled half of a tap.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    PyObject *made, *zmq;

    if (PyType_Ready(&Meter_Type) < 0 || PyType_Ready(&Method_Type) < 0)
        return NULL;
    zmq = PyImport_ImportModule("zmq.error");
    if (zmq == NULL)
        return NULL;
    zmq_error = PyObject_GetAttrString(zmq, "ZMQError");
    Py_DECREF(zmq);
    seed = (uint64_t)now() * UINT64_C(0x9fb21c651e98df25) ^ (uint64_t)(uintptr_t)zmq_error;
    rcvmore = PyLong_FromLong(RCVMORE);
    one = PyLong_FromLong(1);
    name_flags = PyUnicode_InternFromString("flags");
    name_errno = PyUnicode_InternFromString("errno");
    name_count = PyUnicode_InternFromString("count");
    name_prefixes = PyUnicode_InternFromString("prefixes");
    name_startswith = PyUnicode_InternFromString("startswith");
    if (!zmq_error || !rcvmore || !one || !name_flags || !name_errno || !name_count || !name_prefixes ||
        !name_startswith)
        return NULL;
    made = PyModule_Create(&module);
    if (made == NULL)
        return NULL;
    if (PyModule_AddStringConstant(made, "SOURCE", SOURCE) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    Py_INCREF(&Meter_Type);
    if (PyModule_AddObject(made, "Meter", (PyObject *)&Meter_Type) < 0) {
        Py_DECREF(&Meter_Type);
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
