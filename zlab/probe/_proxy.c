/* The loop of a `zmq.proxy`, which counts what it moves.

   libzmq's own tells of that only over a third socket (`zmq_proxy_steerable`), and looks after that socket before each
   message: a fifth of what a request through a broker costs. What is here does the same to the two others, by libzmq's
   own functions and without the GIL, and its counts can be read at any time: of an XPUB also how many messages match
   what its subscribers ask for, as the probe of a publisher counts them. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#ifndef SOURCE /* what this file was when it was compiled: see hatch_build.py and counted.py */
#define SOURCE ""
#endif
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { NOBLOCK = 1, SNDMORE = 2, EVENTS = 15, IN = 1, OUT = 2 }; /* libzmq's own; stable since its version 3 */
enum { BURST = 1000 };                                           /* messages one way, before the other is looked at */
enum { FORTH = 0, BACK = 1 };
enum { FULL = -1 }; /* there was no room for the frame that is held */

typedef struct {
    void *socket;
    int fd;
    short events, revents;
} Item; /* zmq_pollitem_t */

typedef union {
    unsigned char bytes[64];
    void *aligned;
} Message; /* zmq_msg_t */

/* Where libzmq's functions are in this process, in the order in which `use` is told. */
static struct {
    int (*poll)(Item *, int, long);
    int (*get)(void *, int, void *, size_t *);
    int (*init)(Message *);
    int (*recv)(Message *, void *, int);
    int (*send)(Message *, void *, int);
    int (*close)(Message *);
    int (*more)(const Message *);
    size_t (*size)(const Message *);
    void *(*data)(Message *);
    int (*error)(void);
} libzmq;
enum { FUNCTIONS = 10 };

/* What subscribers ask for. */
typedef struct {
    long long count; /* messages that matched */
    int inverted;    /* whether it asks for what begins with none of these */
    Py_ssize_t first, last;
} Ask;

typedef struct {
    const char *at;
    size_t size;
} Prefix;

typedef struct {
    Py_ssize_t asks;
    Ask *ask;
    Prefix *prefix;
    PyObject *held; /* what the prefixes are in */
} Asked;

typedef struct {
    PyObject_HEAD
    void *ends[2];     /* the front end and the back end */
    int wake;          /* readable once the loop is to end */
    atomic_int ending; /* the same, for it to be seen within a burst */
    /* Whole messages, frames and bytes, by where they go; and those of them that have been sent on. */
    atomic_llong taken[2], taken_frames[2], taken_bytes[2];
    atomic_llong handed[2], handed_frames[2], handed_bytes[2];
    /* By way: a frame that has been received, whether it is still to be sent on, and whether more of its message come. */
    Message message[2];
    int holding[2], more[2];
    /* By way: what is asked for where it leads. The lock is held for no longer than one message takes. */
    Asked asked[2];
    atomic_flag asking;
} Loop;

static void
count(atomic_llong *counter, long long more)
{
    /* One thread writes. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_release);
}

static void
lock(Loop *self)
{
    while (atomic_flag_test_and_set_explicit(&self->asking, memory_order_acquire))
        ;
}

static void
unlock(Loop *self)
{
    atomic_flag_clear_explicit(&self->asking, memory_order_release);
}

/* Count a message with each set of prefixes that it matches; as `match` in tap.py. */
static void
match(Loop *self, int way, const char *topic, size_t size)
{
    Asked *asked = &self->asked[way];

    lock(self);
    for (Py_ssize_t i = 0; i < asked->asks; i++) {
        Ask *ask = &asked->ask[i];
        int hit = 0;

        for (Py_ssize_t j = ask->first; !hit && j < ask->last; j++) {
            Prefix *prefix = &asked->prefix[j];

            hit = prefix->size <= size && memcmp(prefix->at, topic, prefix->size) == 0;
        }
        ask->count += hit != ask->inverted;
    }
    unlock(self);
}

/* Move what is there one way; gives 0, `FULL`, or the number of an error. */
static int
move(Loop *self, int way)
{
    Message *message = &self->message[way];

    for (int i = 0; i < BURST; i++) {
        do {
            long long size;

            if (!self->holding[way]) {
                if (libzmq.recv(message, self->ends[way], NOBLOCK) < 0) {
                    int error = libzmq.error();

                    return error == EAGAIN ? 0 : error;
                }
                /* Before it is sent, after which its data are not ours; and where it begins. */
                if (!self->more[way])
                    match(self, way, libzmq.data(message), libzmq.size(message));
                self->holding[way] = 1;
                self->more[way] = libzmq.more(message);
                count(&self->taken[way], !self->more[way]);
                count(&self->taken_frames[way], 1);
                count(&self->taken_bytes[way], (long long)libzmq.size(message));
            }
            size = (long long)libzmq.size(message);
            if (libzmq.send(message, self->ends[!way], NOBLOCK | (self->more[way] ? SNDMORE : 0)) < 0) {
                int error = libzmq.error();

                return error == EAGAIN ? FULL : error; /* it is kept, and sent when there is room */
            }
            self->holding[way] = 0;
            count(&self->handed[way], !self->more[way]);
            count(&self->handed_frames[way], 1);
            count(&self->handed_bytes[way], size);
        } while (self->more[way]);
        if (atomic_load_explicit(&self->ending, memory_order_acquire))
            return 0;
    }
    return 0;
}

/* Whether a socket can be sent something without a wait, where that can be told; else sending tells. */
static int
has_room(void *socket)
{
    int events = 0;
    size_t size = sizeof events;

    return libzmq.get(socket, EVENTS, &events, &size) < 0 || (events & OUT) != 0;
}

static int
go(Loop *self)
{
    int full[2] = {0, 0}; /* by way: whether something waits for room at the other end */
    Item items[3] = {{self->ends[0], 0, 0, 0}, {self->ends[1], 0, 0, 0}, {NULL, self->wake, IN, 0}};

    for (int way = 0; way < 2; way++)
        if (self->holding[way] || self->more[way]) { /* since an interruption */
            int done = move(self, way);

            if (done > 0)
                return done;
            full[way] = done == FULL;
        }
    while (!atomic_load_explicit(&self->ending, memory_order_acquire)) {
        /* Not for what cannot be handed on: that would be told at once, again and again. */
        for (int end = 0; end < 2; end++)
            items[end].events = (short)((full[end] ? 0 : IN) | (full[!end] ? OUT : 0));
        if (libzmq.poll(items, 3, -1) < 0)
            return libzmq.error();
        for (int way = 0; way < 2; way++) {
            int done;

            if (!full[way] && !(items[way].revents & IN))
                continue;
            done = has_room(self->ends[!way]) ? move(self, way) : FULL;
            if (done > 0)
                return done;
            full[way] = done == FULL;
        }
    }
    return 0;
}

static PyObject *
Loop_run(Loop *self, PyObject *Py_UNUSED(none))
{
    int error;

    Py_BEGIN_ALLOW_THREADS
    error = go(self);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(error);
}

static PyObject *
Loop_turn(Loop *self, PyObject *Py_UNUSED(none))
{
    atomic_store(&self->ending, 1);
    Py_RETURN_NONE;
}

static PyObject *
Loop_ended(Loop *self, PyObject *Py_UNUSED(none))
{
    atomic_store(&self->ending, 0);
    Py_RETURN_NONE;
}

/* For when messages are moved elsewhere: what was received here goes first. */
static PyObject *
Loop_clear(Loop *self, PyObject *args)
{
    int way, done = 0;

    if (!PyArg_ParseTuple(args, "p", &way))
        return NULL;
    way = way ? FORTH : BACK;
    if (self->holding[way]) {
        int ending = atomic_exchange(&self->ending, 1); /* one message and no more */

        done = move(self, way);
        atomic_store(&self->ending, ending);
    }
    return PyBool_FromLong(done == 0);
}

static PyObject *
Loop_add(Loop *self, PyObject *args)
{
    long long frames, bytes;
    int way;

    if (!PyArg_ParseTuple(args, "LLp", &frames, &bytes, &way))
        return NULL;
    way = way ? FORTH : BACK;
    count(&self->taken[way], 1);
    count(&self->taken_frames[way], frames);
    count(&self->taken_bytes[way], bytes);
    count(&self->handed[way], 1);
    count(&self->handed_frames[way], frames);
    count(&self->handed_bytes[way], bytes);
    Py_RETURN_NONE;
}

static PyObject *
Loop_read(Loop *self, PyObject *args)
{
    long long found[6];
    int end;

    if (!PyArg_ParseTuple(args, "i", &end))
        return NULL;
    end = end ? BACK : FORTH;
    /* What has been handed on had been taken. */
    found[0] = atomic_load_explicit(&self->handed[!end], memory_order_acquire);
    found[1] = atomic_load_explicit(&self->handed_frames[!end], memory_order_acquire);
    found[2] = atomic_load_explicit(&self->handed_bytes[!end], memory_order_acquire);
    found[3] = atomic_load_explicit(&self->taken[end], memory_order_acquire);
    found[4] = atomic_load_explicit(&self->taken_frames[end], memory_order_acquire);
    found[5] = atomic_load_explicit(&self->taken_bytes[end], memory_order_acquire);
    return Py_BuildValue("(LLLLLL)", found[0], found[1], found[2], found[3], found[4], found[5]);
}

/* Take the counts so far, which begin at zero again. */
static void
take(Asked *asked, long long *counts)
{
    for (Py_ssize_t i = 0; i < asked->asks; i++) {
        counts[i] = asked->ask[i].count;
        asked->ask[i].count = 0;
    }
}

static PyObject *
told(const long long *counts, Py_ssize_t length)
{
    PyObject *made = PyTuple_New(length);

    for (Py_ssize_t i = 0; made != NULL && i < length; i++) {
        PyObject *number = PyLong_FromLongLong(counts[i]);

        if (number == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, i, number);
    }
    return made;
}

static void
let_go(Asked *asked)
{
    PyMem_Free(asked->ask);
    PyMem_Free(asked->prefix);
    Py_XDECREF(asked->held);
}

static PyObject *
Loop_matched(Loop *self, PyObject *args)
{
    PyObject *made;
    long long *counts;
    Py_ssize_t length;
    int way;

    if (!PyArg_ParseTuple(args, "p", &way))
        return NULL;
    way = way ? FORTH : BACK;
    length = self->asked[way].asks;
    counts = PyMem_Calloc((size_t)length + 1, sizeof(long long));
    if (counts == NULL)
        return PyErr_NoMemory();
    lock(self);
    take(&self->asked[way], counts);
    unlock(self);
    made = told(counts, length);
    PyMem_Free(counts);
    return made;
}

/* Write down what is asked for. */
static int
write_down(Asked *asked, PyObject *asks)
{
    Py_ssize_t length = PyTuple_GET_SIZE(asks), all = 0, place = 0;

    for (Py_ssize_t i = 0; i < length; i++) {
        PyObject *prefixes;
        int inverted;

        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(asks, i), "O!p", &PyTuple_Type, &prefixes, &inverted))
            return -1;
        all += PyTuple_GET_SIZE(prefixes);
    }
    asked->ask = PyMem_Calloc((size_t)length + 1, sizeof(Ask));
    asked->prefix = PyMem_Calloc((size_t)all + 1, sizeof(Prefix));
    if (asked->ask == NULL || asked->prefix == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        PyObject *prefixes = PyTuple_GET_ITEM(PyTuple_GET_ITEM(asks, i), 0);

        asked->ask[i].inverted = PyObject_IsTrue(PyTuple_GET_ITEM(PyTuple_GET_ITEM(asks, i), 1));
        asked->ask[i].first = place;
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(prefixes); j++, place++) {
            PyObject *prefix = PyTuple_GET_ITEM(prefixes, j);

            if (!PyBytes_Check(prefix)) {
                PyErr_SetString(PyExc_TypeError, "a prefix is bytes");
                return -1;
            }
            asked->prefix[place].at = PyBytes_AS_STRING(prefix);
            asked->prefix[place].size = (size_t)PyBytes_GET_SIZE(prefix);
        }
        asked->ask[i].last = place;
    }
    Py_INCREF(asks);
    asked->held = asks;
    asked->asks = length;
    return 0;
}

static PyObject *
Loop_ask(Loop *self, PyObject *args)
{
    Asked fresh = {0, NULL, NULL, NULL}, before;
    PyObject *asks, *made;
    long long *counts;
    int way;

    if (!PyArg_ParseTuple(args, "pO!", &way, &PyTuple_Type, &asks))
        return NULL;
    way = way ? FORTH : BACK;
    counts = PyMem_Calloc((size_t)self->asked[way].asks + 1, sizeof(long long));
    if (counts == NULL)
        return PyErr_NoMemory();
    if (write_down(&fresh, asks) < 0) {
        PyMem_Free(counts);
        let_go(&fresh);
        return NULL;
    }
    lock(self);
    before = self->asked[way];
    take(&before, counts);
    self->asked[way] = fresh;
    unlock(self);
    made = told(counts, before.asks);
    PyMem_Free(counts);
    let_go(&before);
    return made;
}

static PyObject *
Loop_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names))
{
    unsigned long long front, back;
    int wake;
    Loop *made;

    if (!PyArg_ParseTuple(args, "KKi", &front, &back, &wake))
        return NULL;
    if (libzmq.poll == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "call use() first: libzmq's functions are not known");
        return NULL;
    }
    made = (Loop *)type->tp_alloc(type, 0);
    if (made == NULL)
        return NULL;
    made->ends[0] = (void *)(uintptr_t)front;
    made->ends[1] = (void *)(uintptr_t)back;
    made->wake = wake;
    atomic_flag_clear(&made->asking);
    libzmq.init(&made->message[0]);
    libzmq.init(&made->message[1]);
    return (PyObject *)made;
}

static void
Loop_dealloc(Loop *self)
{
    libzmq.close(&self->message[0]);
    libzmq.close(&self->message[1]);
    let_go(&self->asked[0]);
    let_go(&self->asked[1]);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef Loop_methods[] = {
    {"run", (PyCFunction)Loop_run, METH_NOARGS, "Move messages until `turn`: 0; or the number of what ended it before."},
    {"turn", (PyCFunction)Loop_turn, METH_NOARGS, "Have it end; `wake` must become readable too."},
    {"ended", (PyCFunction)Loop_ended, METH_NOARGS, "Let it run again."},
    {"clear", (PyCFunction)Loop_clear, METH_VARARGS, "clear(forth): send on what waits for room; whether nothing does."},
    {"ask", (PyCFunction)Loop_ask, METH_VARARGS,
     "ask(forth, asks): count from now on by these, each its prefixes and whether it is inverted; gives `matched`."},
    {"matched", (PyCFunction)Loop_matched, METH_VARARGS,
     "matched(forth): how many messages matched what is asked for, one by one, since that was asked last."},
    {"add", (PyCFunction)Loop_add, METH_VARARGS, "add(frames, bytes, forth): count a message that was moved elsewhere."},
    {"read", (PyCFunction)Loop_read, METH_VARARGS,
     "read(end): messages, frames and bytes sent to the front end (0) or back end (1), and those received from it."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject Loop_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "zlab.probe._proxy.Loop",
    .tp_doc = "Loop(frontend, backend, wake): the addresses of two sockets, and a file descriptor.",
    .tp_basicsize = sizeof(Loop),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = Loop_new,
    .tp_dealloc = (destructor)Loop_dealloc,
    .tp_methods = Loop_methods,
};

static PyObject *
use(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long at[FUNCTIONS];

    if (!PyArg_ParseTuple(args, "KKKKKKKKKK", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6], &at[7], &at[8],
                          &at[9]))
        return NULL;
    libzmq.poll = (int (*)(Item *, int, long))(uintptr_t)at[0];
    libzmq.get = (int (*)(void *, int, void *, size_t *))(uintptr_t)at[1];
    libzmq.init = (int (*)(Message *))(uintptr_t)at[2];
    libzmq.recv = (int (*)(Message *, void *, int))(uintptr_t)at[3];
    libzmq.send = (int (*)(Message *, void *, int))(uintptr_t)at[4];
    libzmq.close = (int (*)(Message *))(uintptr_t)at[5];
    libzmq.more = (int (*)(const Message *))(uintptr_t)at[6];
    libzmq.size = (size_t(*)(const Message *))(uintptr_t)at[7];
    libzmq.data = (void *(*)(Message *))(uintptr_t)at[8];
    libzmq.error = (int (*)(void))(uintptr_t)at[9];
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"use", use, METH_VARARGS, "Hear where libzmq's functions are in this process; see loop.py for their order."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zlab.probe._proxy",
    .m_doc = "The loop of a proxy.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__proxy(void)
{
    PyObject *made;

    if (PyType_Ready(&Loop_Type) < 0)
        return NULL;
    made = PyModule_Create(&module);
    if (made == NULL)
        return NULL;
    Py_INCREF(&Loop_Type);
    if (PyModule_AddStringConstant(made, "SOURCE", SOURCE) < 0 ||
        PyModule_AddObject(made, "Loop", (PyObject *)&Loop_Type) < 0) {
        Py_DECREF(&Loop_Type);
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
