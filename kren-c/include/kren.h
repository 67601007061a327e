/* libkren: messages between processes of one machine, through shared memory. https://github.com/Cintu07/kren
 *
 * Made by cbindgen from the crate kren-c: not to be edited. docs/guide/c.md shows how it is used.
 *
 * What holds for every function, unless it says otherwise:
 *
 * - It returns KREN_OK, which is 0, or a kren_code; what it was to store is stored with KREN_OK alone. kren_error_message() says more.
 * - What is given comes first, then where results are stored, then the time-out.
 * - A handle is used by one thread at a time, and may go from thread to thread. Handles of their own have nothing to do with each other.
 * - A handle is closed by its own function, once. What a closed one leads to is recognised as closed (KREN_MISUSE) until many others of its
 *   kind have been closed.
 * - Null where something must be is KREN_MISUSE. Names and texts are UTF-8 with a zero at the end, and are copied.
 * - Time-outs are nanoseconds; KREN_FOREVER (-1) never passes, and 0 does not wait.
 * - No signal handler may call it; no exception of C++ may leave a function that it was given.
 */


#ifndef KREN_H
#define KREN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * The most dimensions an array can have.
 */
#define KREN_MAX_DIMS 13

/**
 * Room for the name of an array, which has 48 bytes at most, and a zero.
 */
#define KREN_NAME_SIZE 56

/**
 * Room for a channel's name and for other texts of kren_channel, and a zero.
 */
#define KREN_TEXT_SIZE 256

/**
 * The version of the binary interface: a program that was compiled against a header with the same KREN_ABI_VERSION fits.
 */
#define KREN_ABI_VERSION 0

/**
 * A time-out, in nanoseconds, that never passes.
 */
#define KREN_FOREVER -1

/**
 * Discards what an earlier writer left under the name. kren_writer_create(), kren_publisher_create().
 */
#define KREN_FRESH 1

/**
 * Accepts what belongs to another user. All.
 */
#define KREN_ANY_OWNER 2

/**
 * Maps every page at once, so that the first lap of the ring takes no page faults. Writer, publisher, reader, subscriber.
 */
#define KREN_PREFAULT 4

/**
 * On Windows, names of the whole machine instead of the session's own. Writer, publisher, reader, subscriber.
 */
#define KREN_MACHINE_WIDE 8

/**
 * Connects to what has a live writer only. Reader, subscriber.
 */
#define KREN_LIVE 16

/**
 * A subscriber that never holds its publisher up, and is told of what it missed. Subscriber.
 */
#define KREN_LOSSY 32

/**
 * kren_options.strategy: spins for some microseconds, then sleeps.
 */
#define KREN_ADAPTIVE 0

/**
 * kren_options.strategy: never sleeps.
 */
#define KREN_SPIN 1

/**
 * kren_options.strategy: sleeps at once.
 */
#define KREN_SLEEP 2

/**
 * kren_options.start: at the first message that was not released.
 */
#define KREN_OLDEST 0

/**
 * kren_options.start: behind everything that was written before.
 */
#define KREN_NEWEST 1

/**
 * kren_options.start: behind the first kren_options.start_after messages of a broadcast.
 */
#define KREN_AFTER 2

/**
 * Who is on the other side.
 */
typedef enum {
  /**
   * It cannot be told: the end was inherited through fork, or its lock was closed by this process.
   */
  KREN_UNKNOWN = 0,
  /**
   * Nobody has come yet.
   */
  KREN_NEVER_ATTACHED = 1,
  /**
   * A live process.
   */
  KREN_ATTACHED = 2,
  /**
   * The last one has closed.
   */
  KREN_HAS_CLOSED = 3,
  /**
   * The last one's process ended without closing.
   */
  KREN_HAS_DIED = 4,
} kren_state;

/**
 * What has happened.
 */
typedef enum {
  /**
   * What was asked for is there.
   */
  KREN_READY = 1,
  /**
   * It will not come: a call of the end itself says why, one that waits. Stays so until the end is taken out.
   */
  KREN_GONE = 2,
  /**
   * The timer's time has come.
   */
  KREN_TIMER = 3,
} kren_event_kind;

/**
 * What every call returns: KREN_OK, or why it did not do what it was to do. The numbers up to 999 are those of
 * docs/spec/errors.md, the same in every language, and are never reused; those from 1000 on are of C alone.
 * kren_error_message() says more.
 */
typedef enum {
  /**
   * It is done.
   */
  KREN_OK = 0,
  /**
   * No channel of that name exists.
   */
  KREN_NOT_FOUND = 1,
  /**
   * A live writer already holds the channel.
   */
  KREN_WRITER_EXISTS = 2,
  /**
   * A live reader already holds the channel.
   */
  KREN_READER_EXISTS = 3,
  /**
   * The ring has no room for the message now.
   */
  KREN_FULL = 4,
  /**
   * The ring holds no message now.
   */
  KREN_EMPTY = 5,
  /**
   * The timeout passed first.
   */
  KREN_TIMED_OUT = 6,
  /**
   * The other side closed the channel, and nothing is left to do on it.
   */
  KREN_CLOSED = 7,
  /**
   * The other side's process died without closing.
   */
  KREN_PEER_DIED = 8,
  /**
   * The message can never fit this channel.
   */
  KREN_TOO_LARGE = 9,
  /**
   * The channel name breaks the naming rules.
   */
  KREN_INVALID_NAME = 10,
  /**
   * The capacity is zero or larger than the platform can map.
   */
  KREN_INVALID_CAPACITY = 11,
  /**
   * The channel exists with another capacity or alignment and cannot be replaced.
   */
  KREN_CAPACITY_MISMATCH = 12,
  /**
   * The operating system, or an owner check, refused access.
   */
  KREN_PERMISSION_DENIED = 13,
  /**
   * There is not enough shared memory for the channel.
   */
  KREN_OUT_OF_MEMORY = 14,
  /**
   * The shared bytes break the rules of the format.
   */
  KREN_CORRUPT = 15,
  /**
   * The segment was made by an incompatible version of KREN.
   */
  KREN_VERSION_MISMATCH = 16,
  /**
   * The endpoint was inherited through fork and belongs to the parent process.
   */
  KREN_FORKED = 17,
  /**
   * The wait was given up because the caller asked for it.
   */
  KREN_INTERRUPTED = 18,
  /**
   * Any other failure of the operating system.
   */
  KREN_IO = 19,
  /**
   * Another thread is in the middle of a call on this handle.
   */
  KREN_BUSY = 20,
  /**
   * An option other than name and capacity is out of range, or is none of this kind of end.
   */
  KREN_INVALID_OPTION = 21,
  /**
   * The channel's name no longer leads to this endpoint's segment, and its other side is gone.
   */
  KREN_REMOVED = 22,
  /**
   * A lossy subscriber was overtaken, and messages were overwritten before it read them.
   */
  KREN_LAGGED = 23,
  /**
   * A slow subscriber was passed over by a publisher that would not wait any longer.
   */
  KREN_EVICTED = 24,
  /**
   * No server of that name is there; the request was not sent.
   */
  KREN_NO_SERVER = 25,
  /**
   * The server died before it had answered.
   */
  KREN_SERVER_DIED = 26,
  /**
   * The call was cancelled, or is over.
   */
  KREN_CANCELLED = 27,
  /**
   * The server says that the call failed.
   */
  KREN_REMOTE = 28,
  /**
   * The sides say different things of the messages.
   */
  KREN_SCHEMA_MISMATCH = 29,
  /**
   * The message is not the array, the arrays or the table that it was read as.
   */
  KREN_NOT_AN_ARRAY = 30,
  /**
   * What stands under the name is of another kind, say a broadcast instead of a channel.
   */
  KREN_WRONG_KIND = 31,
  /**
   * All seats for subscribers or members are taken.
   */
  KREN_NO_SEAT = 32,
  /**
   * An argument is null that must not be, a handle was closed, or the call does not fit the handle's kind or state.
   */
  KREN_MISUSE = 1000,
  /**
   * A defect of KREN's own was met and caught; the handle can only be closed.
   */
  KREN_PANIC = 1001,
  /**
   * A call to a service has no more answers.
   */
  KREN_END = 1002,
} kren_code;

/**
 * The types of elements: 256 x the code that DLPack has for it, and its bits.
 */
typedef enum {
  /**
   * Signed, 8 bits.
   */
  KREN_INT8 = 8,
  /**
   * Signed, 16 bits.
   */
  KREN_INT16 = 16,
  /**
   * Signed, 32 bits.
   */
  KREN_INT32 = 32,
  /**
   * Signed, 64 bits.
   */
  KREN_INT64 = 64,
  /**
   * Unsigned, 8 bits.
   */
  KREN_UINT8 = 264,
  /**
   * Unsigned, 16 bits.
   */
  KREN_UINT16 = 272,
  /**
   * Unsigned, 32 bits.
   */
  KREN_UINT32 = 288,
  /**
   * Unsigned, 64 bits.
   */
  KREN_UINT64 = 320,
  /**
   * IEEE 754, half precision.
   */
  KREN_FLOAT16 = 528,
  /**
   * A float.
   */
  KREN_FLOAT32 = 544,
  /**
   * A double.
   */
  KREN_FLOAT64 = 576,
  /**
   * The upper half of a KREN_FLOAT32.
   */
  KREN_BFLOAT16 = 1040,
  /**
   * Two floats: real part, imaginary part.
   */
  KREN_COMPLEX64 = 1344,
  /**
   * Two doubles.
   */
  KREN_COMPLEX128 = 1408,
  /**
   * A byte, 0 or 1.
   */
  KREN_BOOL = 1544,
  /**
   * 3 bits of exponent, 4 of mantissa; the rest alike.
   */
  KREN_FLOAT8_E3M4 = 1800,
  /**
   * As its name says.
   */
  KREN_FLOAT8_E4M3 = 2056,
  /**
   * With a bias of 11.
   */
  KREN_FLOAT8_E4M3B11FNUZ = 2312,
  /**
   * Without infinities.
   */
  KREN_FLOAT8_E4M3FN = 2568,
  /**
   * Without a negative zero either.
   */
  KREN_FLOAT8_E4M3FNUZ = 2824,
  /**
   * As its name says.
   */
  KREN_FLOAT8_E5M2 = 3080,
  /**
   * Without infinities and a negative zero.
   */
  KREN_FLOAT8_E5M2FNUZ = 3336,
  /**
   * 8 bits of exponent, and nothing else: a scale.
   */
  KREN_FLOAT8_E8M0FNU = 3592,
} kren_dtype;

/**
 * One of the calling ends of a service.
 *
 * One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
 * made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
 */
typedef struct kren_client kren_client;

/**
 * A message that kren_hold() has taken out of its reader's hands. It outlives the reader.
 */
typedef struct kren_lease kren_lease;

/**
 * An end that reads: a reader, a subscriber, an inbox or a worker.
 *
 * One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
 * made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
 */
typedef struct kren_reader kren_reader;

/**
 * A request that is to be answered, by any thread, one at a time for each request. It outlives its server.
 */
typedef struct kren_request kren_request;

/**
 * Waits for any number of ends of any kind, and for timers.
 *
 * One thread at a time uses it, any thread, but for kren_selector_cancel(). The ends stay with their owners, also in other threads; each
 * can be in one selector at a time, and is to be taken out before it is closed.
 */
typedef struct kren_selector kren_selector;

/**
 * The answering end of a service.
 *
 * One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
 * made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
 */
typedef struct kren_server kren_server;

/**
 * An end that writes: a writer, a publisher, a sender or a dealer.
 *
 * One thread at a time uses it, any thread; a call while another one is under way is KREN_BUSY wherever that can be seen. In a child
 * made by fork every call is KREN_FORKED, and closing it leaves the parent's end alone.
 */
typedef struct kren_writer kren_writer;

/**
 * An array in C order: its elements one behind the other, those of the last dimension fastest, with nothing between them.
 */
typedef struct {
  /**
   * Its elements. Of a message: where they lie in it, as long as that does, and not to be written to.
   */
  const void *data;
  /**
   * Bytes of the elements. Set by the library; what is written is as long as its type and shape say.
   */
  size_t nbytes;
  /**
   * What they are: a kren_dtype.
   */
  uint32_t dtype;
  /**
   * How many dimensions; 0: a single element.
   */
  uint32_t ndim;
  /**
   * The dimensions, outermost first.
   */
  size_t shape[KREN_MAX_DIMS];
  /**
   * Of one of several arrays in a message: how it is called, UTF-8 of 1 to 48 bytes with a zero behind. Else empty.
   */
  char name[KREN_NAME_SIZE];
} kren_array;

/**
 * A message where it lies in shared memory. Each function that gives one says how long it stays there; copy what must live longer.
 */
typedef struct {
  /**
   * Its bytes; never null, also where there are none. Not to be written to: the page is read-only, and a store faults.
   */
  const void *data;
  /**
   * How many.
   */
  size_t len;
  /**
   * The tag it was written with; 0 unless its writer chose one.
   */
  uint32_t tag;
  /**
   * Of a worker: 1 if another worker may have begun with it before, else 0.
   */
  uint32_t redelivered;
  /**
   * Of an inbox and a server: who it is from, as kren_peer.number says it. Else 0.
   */
  uint64_t sender;
  /**
   * Of a reader: tells it from all others that this one has lent, for kren_release(). Else 0.
   */
  uint64_t serial;
} kren_message;

/**
 * How an end is opened, for all that open one. Begin with kren_options_default(), which says the size and leaves everything else at
 * 0, the default, and set what is to be otherwise. What an end has no use for is KREN_INVALID_OPTION. The texts are copied.
 */
typedef struct {
  /**
   * sizeof(kren_options), by which the library knows the header that a program was compiled against.
   */
  size_t size;
  /**
   * KREN_FRESH, KREN_ANY_OWNER, KREN_PREFAULT, KREN_MACHINE_WIDE, KREN_LIVE, KREN_LOSSY, added up.
   */
  uint32_t flags;
  /**
   * Permission bits of what has to be made, whatever the umask; 0: 0600. Not for reader and subscriber.
   */
  uint32_t mode;
  /**
   * Alignment of payloads in bytes, a power of two from 8 to 4096; 0: 8. Writer, publisher, sender, dealer.
   */
  size_t alignment;
  /**
   * How blocking calls wait: KREN_ADAPTIVE, KREN_SPIN, KREN_SLEEP. All.
   */
  uint32_t strategy;
  /**
   * Where to begin: KREN_OLDEST, KREN_NEWEST, KREN_AFTER. Reader, subscriber.
   */
  uint32_t start;
  /**
   * See KREN_AFTER. Subscriber.
   */
  uint64_t start_after;
  /**
   * How long to wait for a channel that is not there yet, in nanoseconds; -1: for ever; 0: not. Reader, subscriber.
   */
  int64_t timeout_ns;
  /**
   * Passes over a subscriber for which a message had to wait so many nanoseconds; 0: never. Publisher.
   */
  int64_t evict_after_ns;
  /**
   * Stands by while another server lives, so many nanoseconds at most or -1 for ever, and succeeds it; 0: not. Server.
   */
  int64_t standby_ns;
  /**
   * Bytes of records for each member. Sender (0: what the inbox says), client, server (0: 1 MiB).
   */
  size_t capacity;
  /**
   * How many there may be on the other side at a time; 0: 16 subscribers, 64 of all others. Publisher, sender, inbox, dealer, worker,
   * client, server.
   */
  uint32_t seats;
  /**
   * Messages that a dealer gives to this worker before the first is released; 0: as many as fit. Worker.
   */
  uint32_t ahead;
  /**
   * The name by which a durable subscriber is known again; null: not durable. Subscriber.
   */
  const char *durable;
  /**
   * What the messages are: a short name, and a description that is compared; both null: nothing is said. Writer, reader.
   */
  const char *schema_name;
  /**
   * See schema_name.
   */
  const char *schema_text;
  /**
   * Called with `context` at least every 100 ms while a call of the end waits, and after each signal that its thread has got: what
   * is not 0 ends the wait with KREN_INTERRUPTED. It must return, without an exception, and may not use the end. All.
   */
  int (*check)(void *context);
  /**
   * What `check` is called with; alive as long as the end is open.
   */
  void *context;
} kren_options;

/**
 * What a call takes besides its request; null stands for nothing of all this.
 */
typedef struct {
  /**
   * sizeof(kren_call_options).
   */
  size_t size;
  /**
   * What is called, for a server that tells several methods apart; null: no name.
   */
  const char *method;
  /**
   * A number of the user's own, which the server finds on the request.
   */
  uint32_t tag;
  /**
   * 1: a server that succeeds one that died may do the request again. 0: the call ends with KREN_SERVER_DIED.
   */
  uint32_t retry;
} kren_call_options;

/**
 * What is known of what stands under a name. What cannot be known is 0.
 */
typedef struct {
  /**
   * sizeof(kren_channel): set before kren_inspect(), and by kren_channels().
   */
  size_t size;
  /**
   * How it fares: "idle", "full", "waiting for a reader", "waiting for a writer", "writer died", "reader died", "undelivered", "stale",
   * "open", "owner died", "damaged", "other version", "unreadable". A constant text.
   */
  const char *state;
  /**
   * What it is for: "channel", "broadcast", "inbox", "work queue", "service", "bell"; null where that is not known. A constant text.
   */
  const char *kind;
  /**
   * Bytes of shared memory that it takes.
   */
  uint64_t bytes;
  /**
   * Bytes of records that its ring holds.
   */
  size_t capacity;
  /**
   * Alignment of payloads.
   */
  size_t alignment;
  /**
   * Tells it from all others that had or will have its name.
   */
  uint64_t instance;
  /**
   * When it was made: nanoseconds since 1970.
   */
  uint64_t created_ns;
  /**
   * Messages written since it was made.
   */
  uint64_t written;
  /**
   * Messages that everybody has released for whom the writer waits.
   */
  uint64_t released;
  /**
   * Bytes of the ring that the others take.
   */
  uint64_t used;
  /**
   * Of the description of its messages: see kren_options.schema_text.
   */
  uint64_t schema_hash;
  /**
   * The user it belongs to; UINT32_MAX: it is not known.
   */
  uint32_t owner;
  /**
   * Permission bits.
   */
  uint32_t mode;
  /**
   * Who writes; of a registry, who owns it.
   */
  kren_state writer;
  /**
   * Its process id; 0 also where that means nothing here.
   */
  uint32_t writer_pid;
  /**
   * Who reads: of several, the one that came last to the first seat.
   */
  kren_state reader;
  /**
   * Its process id, as above.
   */
  uint32_t reader_pid;
  /**
   * Seats for readers, subscribers or members.
   */
  uint32_t seats;
  /**
   * How many of them have somebody who lives.
   */
  uint32_t taken;
  /**
   * Its name.
   */
  char name[KREN_TEXT_SIZE];
  /**
   * What its messages are: see kren_options.schema_name.
   */
  char schema_name[KREN_TEXT_SIZE];
  /**
   * Why it is damaged or cannot be read.
   */
  char reason[KREN_TEXT_SIZE];
} kren_channel;

/**
 * One on the other side, where there can be many.
 */
typedef struct {
  /**
   * Tells it from all others there have been: a sender's number, or a client's; of a subscriber, its seat from 1.
   */
  uint64_t number;
  /**
   * Its process id, for people; 0 where it means nothing here.
   */
  uint32_t pid;
  /**
   * Whether it is there, or how it went.
   */
  kren_state state;
  /**
   * Of a subscriber: messages that it has not released.
   */
  uint64_t behind;
  /**
   * Of a subscriber: bytes of the ring that these take.
   */
  uint64_t behind_bytes;
  /**
   * Of a subscriber: KREN_LOSSY if it is.
   */
  uint32_t flags;
  /**
   * Of a subscriber: 1 if it holds the publisher up also when it is gone.
   */
  uint32_t durable;
} kren_peer;

/**
 * What is known of an end: kren_writer_info(), kren_reader_info(). What an end has no figure for is 0.
 */
typedef struct {
  /**
   * sizeof(kren_info), set before the call.
   */
  size_t size;
  /**
   * Bytes of records the ring holds.
   */
  size_t capacity;
  /**
   * Writing: the longest message that could be written now without waiting. Reading: bytes of the ring with unread messages.
   */
  size_t available;
  /**
   * Writing: the longest message that can ever be written.
   */
  size_t max_message_len;
  /**
   * Alignment of payloads.
   */
  size_t alignment;
  /**
   * Reading: bytes of the ring that held messages keep from the writer.
   */
  size_t held;
  /**
   * Sender: its number, as its inbox sees it. Reader, subscriber: messages before the next one, since the channel was made.
   */
  uint64_t number;
  /**
   * Members on the other side: of a dealer, its workers; of a publisher, an inbox: those that are there. Of others 0 or 1.
   */
  uint64_t peers;
  /**
   * Who is on the other side. Of an inbox and a dealer, which have many or none: KREN_ATTACHED if anybody is.
   */
  kren_state state;
  /**
   * 1 if the name no longer leads to this end.
   */
  uint32_t removed;
} kren_info;

/**
 * What a wait has found.
 */
typedef struct {
  /**
   * The key that it was added with.
   */
  uint64_t key;
  /**
   * What has happened.
   */
  kren_event_kind kind;
} kren_event;

/**
 * What is known of a request: kren_request_info().
 */
typedef struct {
  /**
   * Who asks, as kren_peer.number says it.
   */
  uint64_t client;
  /**
   * What is left of the time that the client waits, in nanoseconds; -1: it waits for ever.
   */
  int64_t time_left_ns;
  /**
   * Its process id, for people; 0 where it means nothing here.
   */
  uint32_t pid;
  /**
   * 1 if the client has given the call up, as far as the server has heard.
   */
  uint32_t cancelled;
} kren_request_details;

/**
 * A message that is to be written.
 */
typedef struct {
  /**
   * Its bytes; may be null where there are none.
   */
  const void *data;
  /**
   * How many.
   */
  size_t len;
  /**
   * Its tag.
   */
  uint32_t tag;
} kren_slice;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Writes an array as one message, which every language reads as one; its elements are copied once. On a channel that was created with
 * kren_options.alignment 64 they are aligned for everything.
 *
 * Waits as kren_write() does. KREN_INVALID_OPTION: a type or shape that cannot be sent.
 */
int kren_write_array(kren_writer *writer,
                     const kren_array *array,
                     uint32_t tag,
                     int64_t timeout_ns);

/**
 * Writes `count` arrays, 1024 at most, as one message; their names differ. The rest is as in kren_write_array().
 */
int kren_write_arrays(kren_writer *writer, const kren_array *arrays, size_t count, uint32_t tag, int64_t timeout_ns);

/**
 * Lends the room for an array of this type and shape at `*data`, kren_array.nbytes of it, which is set; its elements are to be stored
 * there, and kren_commit() is to be called with this length. The rest is as in kren_reserve().
 */
int kren_reserve_array(kren_writer *writer,
                       kren_array *array,
                       void **data,
                       int64_t timeout_ns);

/**
 * The array that a message holds, at `*array`, where it lies: of any message that is still there, of a reader, a request or a reply.
 * KREN_NOT_AN_ARRAY: it holds something else; it can still be used as bytes. Any thread; never blocks.
 */
int kren_message_array(const kren_message *message,
                       kren_array *array);

/**
 * The named arrays that a message holds: stores the first `room` at `arrays`, and how many there are at `count`. `arrays` may be null with
 * a room of 0. The rest is as in kren_message_array().
 */
int kren_message_arrays(const kren_message *message,
                        kren_array *arrays,
                        size_t room,
                        size_t *count);

/**
 * Writes a table as one message: an Arrow IPC stream of `len` bytes, as Arrow's own libraries and nanoarrow make it. It is not looked at.
 * Waits as kren_write() does.
 */
int kren_write_table(kren_writer *writer,
                     const void *stream,
                     size_t len,
                     uint32_t tag,
                     int64_t timeout_ns);

/**
 * Lends `len` bytes at `*stream` for a table's Arrow IPC stream; kren_commit() says how long that became. The rest is as in kren_reserve().
 */
int kren_reserve_table(kren_writer *writer,
                       size_t len,
                       void **stream,
                       int64_t timeout_ns);

/**
 * The Arrow IPC stream of the table that a message holds, at `*stream` and `*len`, where it lies. It is not looked at. The rest is as in
 * kren_message_array().
 */
int kren_message_table(const kren_message *message,
                       const void **stream,
                       size_t *len);

/**
 * Joins the service `name`, whose server need not be there yet, as one of its clients. `options` may be null. Blocks only while it
 * reserves memory. The handle is to be closed by kren_client_close().
 */
int kren_client_connect(const char *name,
                        const kren_options *options,
                        kren_client **client);

/**
 * Sends a request and waits for its answer, `timeout_ns` nanoseconds at most or for ever with -1. The answer at `*reply` stays until the next
 * call of any function on this client. `options` may be null.
 *
 * KREN_NO_SERVER at once, and nothing was sent; KREN_SERVER_DIED within 200 ms, and part of it may be done; KREN_REMOTE where the server says
 * that it failed: kren_error_figure() is its code.
 */
int kren_call(kren_client *client,
              const void *data,
              size_t len,
              const kren_call_options *options,
              kren_message *reply,
              int64_t timeout_ns);

/**
 * Sends a request without waiting for its answer, which kren_call_next() gets by the number at `*call`. Any number may be under way. `timeout_ns` is how long the last answer may take from now on. Waits for room that long at most; with 0 it is sent if
 * there is room, else KREN_FULL, and the answer may take for ever.
 */
int kren_call_start(kren_client *client,
                    const void *data,
                    size_t len,
                    const kren_call_options *options,
                    uint64_t *call,
                    int64_t timeout_ns);

/**
 * The next answer to a call, at `*reply`, where it stays until the next call of any function on this client. KREN_END: there are no more,
 * and the call is over.
 *
 * Waits `timeout_ns` nanoseconds at most, or with -1 as long as the call was given time, and no longer in any case; not at all with 0, which
 * is KREN_EMPTY if no answer is there yet.
 */
int kren_call_next(kren_client *client,
                   uint64_t call,
                   kren_message *reply,
                   int64_t timeout_ns);

/**
 * Gives a call up: its server is told, and what still comes is thrown away. Never blocks.
 */
int kren_call_cancel(kren_client *client, uint64_t call);

/**
 * Whether a server is there, at `*state`. Makes a system call; never blocks.
 */
int kren_client_state(kren_client *client, kren_state *state);

/**
 * A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be an answer to one of the calls. Try each by
 * kren_call_next() with a time-out of 0; the last KREN_EMPTY makes it unreadable. The rest is as in kren_reader_fd().
 */
int kren_client_fd(kren_client *client,
                   int *fd);

/**
 * Closes the end; calls under way are given up. Null is left alone. Never blocks.
 *
 * The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
 */
int kren_client_close(kren_client *client);

/**
 * The name of a code as the table has it, for example "TIMED_OUT"; "UNKNOWN" for a number that is none. The text is constant.
 *
 * Any thread; never blocks.
 */
const char *kren_code_name(int code);

/**
 * Copies the message of this thread's last failure into `buffer`, which has `size` bytes: what happened, to which channel, with
 * the figures, and what to do. UTF-8, cut off where it must be, and ended by a zero if `size` is not 0.
 *
 * Returns the length of the whole message without the zero, 0 when nothing has failed yet; so a null `buffer` with `size` 0 asks how
 * long it is.
 *
 * Each thread has its own; what succeeds leaves it as it is. Never blocks.
 */
size_t kren_error_message(char *buffer,
                          size_t size);

/**
 * The figure of this thread's last failure: the messages missed (KREN_LAGGED, KREN_EVICTED), the server's own code (KREN_REMOTE), the
 * longest message in bytes (KREN_TOO_LARGE) or what would fit now (KREN_FULL), the bytes needed (KREN_OUT_OF_MEMORY), the process id
 * of who holds or held the other place (KREN_WRITER_EXISTS, KREN_READER_EXISTS, KREN_PEER_DIED; 0 if it is not known), the
 * system's error number (KREN_IO); 0 for all others.
 *
 * Each thread has its own. Never blocks.
 */
uint64_t kren_error_figure(void);

/**
 * What is known of the channel `name`, or of what else stands there, at `*channel`, whose size is to be set before. Nobody notices:
 * nothing is stored, no place taken. Makes some system calls; never blocks. Any thread.
 */
int kren_inspect(const char *name,
                 kren_channel *channel);

/**
 * Calls `each` with what kren_inspect() says of every channel that this user can see, by name, and with `context`, until it returns
 * something else than 0. What it is given is the library's, and gone when it returns. Only Linux lists channels (else KREN_IO). Any thread;
 * never blocks.
 */
int kren_channels(int (*each)(const kren_channel *channel, void *context),
                  void *context);

/**
 * Gives a held message back to its writer, in any order; null is left alone. Its bytes are not to be looked at any more.
 *
 * Any thread, one at a time for each lease; never blocks.
 */
int kren_lease_release(kren_lease *lease);

/**
 * The KREN_ABI_VERSION of the library that is loaded. Any thread; never blocks.
 */
uint32_t kren_abi_version(void);

/**
 * The version of the library that is loaded, for people: "0.1.0". The text is constant. Any thread; never blocks.
 */
const char *kren_version(void);

/**
 * Removes what stands under a name, with all messages that were not read, if no process is on it; with `force` not 0 also under
 * processes that are: they go on with each other, and nobody else can come.
 *
 * Any thread; never blocks.
 */
int kren_remove(const char *name,
                int force);

/**
 * Connects to the channel `name` as its one reader, and starts at its first message that was not released. Its writer need not live any
 * more. `options` may be null.
 *
 * Waits for a channel that is not there as long as kren_options.timeout_ns says. The handle is to be closed by kren_reader_close().
 */
int kren_reader_connect(const char *name,
                        const kren_options *options,
                        kren_reader **reader);

/**
 * Subscribes to the broadcast `name`: by default lossless, so that the publisher waits for it; KREN_LOSSY and kren_options.durable say
 * otherwise. `options` may be null.
 *
 * Waits for a broadcast that is not there as long as kren_options.timeout_ns says. The handle is to be closed by kren_reader_close().
 */
int kren_subscriber_connect(const char *name,
                            const kren_options *options,
                            kren_reader **reader);

/**
 * Creates the inbox `name`, or goes on with it, and gives its one reading end; each sender that joins from now on gets `capacity` bytes
 * of records. `options` may be null. Never blocks. The handle is to be closed by kren_reader_close().
 */
int kren_inbox_create(const char *name,
                      size_t capacity,
                      const kren_options *options,
                      kren_reader **reader);

/**
 * Joins the work queue `name`, whose dealer need not be there yet, as one of its workers. A message is done when it is released; what a
 * worker that closes or dies has not released goes to another one. `options` may be null. Never blocks. The handle is to be closed by
 * kren_reader_close().
 */
int kren_worker_connect(const char *name,
                        const kren_options *options,
                        kren_reader **reader);

/**
 * Borrows the next message, where it lies, at `*message`. It stays there until kren_release(), the next kren_read() or
 * kren_reader_close(), each of which gives it back to its writer; kren_hold() keeps it for longer.
 *
 * Waits for a message `timeout_ns` nanoseconds at most, for ever with -1. With 0 it looks once, without a system call, and says KREN_EMPTY if there
 * is none, also where none can come any more: that a writer has closed (KREN_CLOSED) or died (KREN_PEER_DIED) is told once all it
 * committed has been read, by calls that wait, and by ends with a descriptor (kren_reader_fd()).
 */
int kren_read(kren_reader *reader,
              kren_message *message,
              int64_t timeout_ns);

/**
 * Gives the borrowed message back to its writer: the one at `message`, if it still is the one that is borrowed, or with null whichever
 * is. Never blocks.
 */
int kren_release(kren_reader *reader,
                 const kren_message *message);

/**
 * Takes the borrowed message out of the reader's hands: it stays until kren_lease_release(), also when the reader has read on or was
 * closed, and a ring that is full of held messages blocks its writer. `message`, if it is not null, gets the bytes' place anew, which for
 * a subscriber that may be overtaken is another one. Never blocks.
 */
int kren_hold(kren_reader *reader,
              kren_message *message,
              kren_lease **lease);

/**
 * Leaves the borrowed message in the channel, for a worker or a reader that is about to close: whoever comes next gets it. Never blocks.
 */
int kren_leave(kren_reader *reader);

/**
 * Waits until a live writer, or publisher, is there, `timeout_ns` nanoseconds at most or for ever with -1: after KREN_CLOSED,
 * KREN_PEER_DIED or KREN_REMOVED, to go on with a successor. Gives a borrowed message back.
 */
int kren_wait_for_writer(kren_reader *reader,
                         int64_t timeout_ns);

/**
 * A sender that is gone, and from which nothing more comes, at `*peer`, each once: kren_peer.state is KREN_HAS_CLOSED or
 * KREN_HAS_DIED. KREN_EMPTY: there is none to be told of. Of an inbox. Never blocks.
 */
int kren_departure(kren_reader *reader,
                   kren_peer *peer);

/**
 * What is known of the end. Makes some system calls; never blocks.
 */
int kren_reader_info(kren_reader *reader, kren_info *info);

/**
 * The senders that an inbox has: stores the first `room` at `peers`, and how many there are at `count`. `peers` may be null with a room
 * of 0. Never blocks.
 */
int kren_reader_peers(kren_reader *reader,
                      kren_peer *peers,
                      size_t room,
                      size_t *count);

/**
 * The name it was opened by, as long as it is open; null if `reader` is no open handle. Never blocks.
 */
const char *kren_reader_name(kren_reader *reader);

/**
 * A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be a message, or the end of them. Read with a
 * time-out of 0 until that says KREN_EMPTY, which makes it unreadable. Such an end tells KREN_CLOSED and the like also with a time-out of 0.
 * The descriptor stays the library's, and is gone with the handle. Not to be read, written or closed. Not on Windows (KREN_MISUSE).
 * Takes the library's one waiting thread; never blocks.
 */
int kren_reader_fd(kren_reader *reader,
                   int *fd);

/**
 * Closes the end; a borrowed message is given back before, and messages that were not read stay for the next reader. Null is left
 * alone. Never blocks.
 *
 * The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
 */
int kren_reader_close(kren_reader *reader);

/**
 * As kren_reader_close(), and gives the place of a durable subscriber up: nothing is kept for it any more.
 */
int kren_unsubscribe(kren_reader *reader);

/**
 * A selector with nothing in it. Never blocks. The handle is to be closed by kren_selector_close().
 */
int kren_selector_create(kren_selector **selector);

/**
 * Waits for messages of this reader, subscriber, inbox or worker from now on; `key` is what the events say. KREN_INVALID_OPTION: the key
 * is in use; KREN_BUSY: another selector, or a descriptor, waits for this end. Never blocks.
 */
int kren_selector_add_reader(kren_selector *selector,
                             uint64_t key,
                             kren_reader *reader);

/**
 * As kren_selector_add_reader(), for room for a message of `len` bytes; of a dealer, for anything that may let it write.
 */
int kren_selector_add_writer(kren_selector *selector,
                             uint64_t key,
                             kren_writer *writer,
                             size_t len);

/**
 * As kren_selector_add_reader(), for everything that this writer has written to be released.
 */
int kren_selector_add_drained(kren_selector *selector, uint64_t key, kren_writer *writer);

/**
 * As kren_selector_add_reader(), for answers: kren_call_next() with a time-out of 0 then says more of each call. To be added anew when a call was started after a
 * server had gone.
 */
int kren_selector_add_client(kren_selector *selector,
                             uint64_t key,
                             kren_client *client);

/**
 * As kren_selector_add_reader(), for requests.
 */
int kren_selector_add_server(kren_selector *selector, uint64_t key, kren_server *server);

/**
 * An event of the kind KREN_TIMER in `first_ns` nanoseconds, once; or, with a period that is not 0, then again and again. Never blocks.
 */
int kren_selector_add_timer(kren_selector *selector,
                            uint64_t key,
                            uint64_t first_ns,
                            uint64_t period_ns);

/**
 * Takes out what was added with this key; KREN_MISUSE if nothing was. Never blocks.
 */
int kren_selector_remove(kren_selector *selector, uint64_t key);

/**
 * Waits until something is ready, `timeout_ns` nanoseconds at most or for ever with -1: stores the first `room` events at `events`, and how
 * many these are at `count`, 0 when the time was over first. What had no room is told by the next call. What is ready is told again
 * until it is no longer so, in another order each time. KREN_INTERRUPTED after kren_selector_cancel().
 */
int kren_selector_wait(kren_selector *selector,
                       kren_event *events,
                       size_t room,
                       size_t *count,
                       int64_t timeout_ns);

/**
 * Ends the wait that is under way in another thread, or else the next one, with KREN_INTERRUPTED. Any thread, at any time until the
 * selector is closed; never blocks.
 */
int kren_selector_cancel(kren_selector *selector);

/**
 * Closes the selector; what was in it stays open. Null is left alone. Never blocks.
 *
 * The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
 */
int kren_selector_close(kren_selector *selector);

/**
 * Serves `name` from now on. `options` may be null. Blocks only where kren_options.standby_ns says so. The handle is to be closed by
 * kren_server_close().
 */
int kren_server_create(const char *name,
                       const kren_options *options,
                       kren_server **server);

/**
 * Takes the next request: its handle at `*request`, its bytes, which lie there until it is answered or dropped, at `*message`. Any number
 * may be open.
 *
 * Waits `timeout_ns` nanoseconds at most, for ever with -1, not at all with 0, which is KREN_EMPTY if there is none.
 */
int kren_server_next(kren_server *server,
                     kren_request **request,
                     kren_message *message,
                     int64_t timeout_ns);

/**
 * What is called, as long as the request is open; empty where the client named no method, null if `request` is no open handle.
 */
const char *kren_request_method(kren_request *request);

/**
 * What is known of the request, at `*details`. Never blocks.
 */
int kren_request_info(kren_request *request, kren_request_details *details);

/**
 * Answers, which closes the request if it succeeds. Where it does not (KREN_TOO_LARGE; KREN_FULL: the client has not read some 16 MiB
 * of answers), the request stays open. Never blocks.
 */
int kren_reply(kren_request *request,
               const void *data,
               size_t len,
               uint32_t tag);

/**
 * One of several answers; kren_reply_end() comes after the last one. KREN_CANCELLED once the client has given the call up. Never blocks.
 */
int kren_reply_item(kren_request *request,
                    const void *data,
                    size_t len,
                    uint32_t tag);

/**
 * Ends several answers, which closes the request if it succeeds. Never blocks.
 */
int kren_reply_end(kren_request *request);

/**
 * Says that the call has failed, which closes the request if it succeeds: the client gets KREN_REMOTE with this code and text. Never blocks.
 */
int kren_reply_fail(kren_request *request,
                    uint32_t code,
                    const char *text);

/**
 * Closes a request unanswered: its client gets KREN_REMOTE. Null is left alone. Never blocks.
 */
int kren_request_drop(kren_request *request);

/**
 * The clients that are there: stores the first `room` at `peers`, and how many there are at `count`. `peers` may be null with a room of 0.
 * Never blocks.
 */
int kren_server_peers(kren_server *server,
                      kren_peer *peers,
                      size_t room,
                      size_t *count);

/**
 * A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while there may be a request. Take them with a time-out of 0
 * until that says KREN_EMPTY, which makes it unreadable. The rest is as in kren_reader_fd().
 */
int kren_server_fd(kren_server *server,
                   int *fd);

/**
 * Closes the end. Requests that nobody has taken fail at their clients, or go to a server that stands by; those that are open can still be
 * answered. Null is left alone. Never blocks.
 *
 * The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
 */
int kren_server_close(kren_server *server);

/**
 * Creates the channel `name` with room for `capacity` bytes of records, or goes on with it, and gives its one writer.
 *
 * `name` has 1 to 128 of the characters a-z A-Z 0-9 . _ -; `capacity` is rounded up to the page size, and each message takes 8 bytes
 * more than its length, rounded up to the alignment. All memory is reserved here. What an earlier writer committed stays, and the
 * reader gets it first. `options` may be null.
 *
 * Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
 */
int kren_writer_create(const char *name,
                       size_t capacity,
                       const kren_options *options,
                       kren_writer **writer);

/**
 * Creates the broadcast `name`, or goes on with it, and gives its one publisher: what it writes is read by every subscriber
 * where it lies. It never waits for somebody to subscribe (see kren_wait_for_subscribers()), and then for the slowest, unless
 * kren_options.evict_after_ns says otherwise. Everything else is as in kren_writer_create().
 */
int kren_publisher_create(const char *name,
                          size_t capacity,
                          const kren_options *options,
                          kren_writer **writer);

/**
 * Joins the inbox `name`, which need not be there yet, as one of its senders. `options` may be null.
 *
 * Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
 */
int kren_sender_connect(const char *name, const kren_options *options, kren_writer **writer);

/**
 * Creates the work queue `name`, or goes on with it, and gives its one dealer: each message goes to one of the workers, the one with
 * the fewest waiting, or by a key (kren_write_keyed()). Each worker gets `capacity` bytes of records. `options` may be null.
 *
 * Blocks only while it reserves memory. The handle is to be closed by kren_writer_close().
 */
int kren_dealer_create(const char *name,
                       size_t capacity,
                       const kren_options *options,
                       kren_writer **writer);

/**
 * Writes one message of `len` bytes with a `tag`, which its reader finds on it; 0 where none is wanted.
 *
 * Waits for room `timeout_ns` nanoseconds at most, for ever with -1, not at all with 0, which is KREN_FULL instead of KREN_TIMED_OUT.
 * A dealer waits for a worker as well. Makes no system call unless it waits or somebody sleeps.
 */
int kren_write(kren_writer *writer,
               const void *data,
               size_t len,
               uint32_t tag,
               int64_t timeout_ns);

/**
 * As kren_write(), of a dealer: the message goes to the worker that gets all messages of this key, as long as no worker comes or goes.
 */
int kren_write_keyed(kren_writer *writer,
                     const void *key,
                     size_t key_len,
                     const void *data,
                     size_t len,
                     uint32_t tag,
                     int64_t timeout_ns);

/**
 * Writes `count` messages that become visible together, or none of them. Waits for room as long as it takes. Not of a dealer.
 */
int kren_write_batch(kren_writer *writer,
                     const kren_slice *messages,
                     size_t count);

/**
 * Lends `len` bytes in shared memory at `*data`, to build a message in place; waits for room as kren_write() does. They hold what
 * the ring held before. Until kren_commit() or kren_abort() nothing else can be written; the bytes are the library's again after either, and
 * after kren_writer_close(). Not of a dealer.
 */
int kren_reserve(kren_writer *writer,
                 size_t len,
                 void **data,
                 int64_t timeout_ns);

/**
 * Publishes the first `len` of the reserved bytes as one message. More than were reserved is KREN_TOO_LARGE, and they stay reserved.
 * Never blocks.
 */
int kren_commit(kren_writer *writer,
                size_t len,
                uint32_t tag);

/**
 * Gives reserved bytes up: no reader ever sees them. Does nothing where none are. Never blocks.
 */
int kren_abort(kren_writer *writer);

/**
 * Waits until everything that was written has been released on the other side, `timeout_ns` nanoseconds at most or for ever with -1.
 */
int kren_flush(kren_writer *writer,
               int64_t timeout_ns);

/**
 * Waits until at least `count` subscribers are there, `timeout_ns` nanoseconds at most or for ever with -1. Of a publisher.
 */
int kren_wait_for_subscribers(kren_writer *writer,
                              size_t count,
                              int64_t timeout_ns);

/**
 * What is known of the end. Makes some system calls; never blocks.
 */
int kren_writer_info(kren_writer *writer, kren_info *info);

/**
 * Who is on the other side of a publisher, and durable subscribers that are not: stores the first `room` at `peers`, and how many there
 * are at `count`. `peers` may be null with a room of 0. Makes a system call for each; never blocks.
 */
int kren_writer_peers(kren_writer *writer,
                      kren_peer *peers,
                      size_t room,
                      size_t *count);

/**
 * The name it was opened by, as long as it is open; null if `writer` is no open handle. Never blocks.
 */
const char *kren_writer_name(kren_writer *writer);

/**
 * A file descriptor for epoll, poll, libuv or asio, at `*fd`: readable while a write with a time-out of 0 may succeed that was
 * KREN_FULL before; that call, when it says KREN_FULL again, makes it unreadable. It stays the library's, and is gone with the handle. Not
 * to be read, written or closed. Not on Windows (KREN_MISUSE). Takes the library's one waiting thread; never blocks.
 */
int kren_writer_fd(kren_writer *writer,
                   int *fd);

/**
 * Closes the end: the other side gets what was written, then KREN_CLOSED. Null is left alone. Never blocks.
 *
 * The handle is gone whatever this returns, but for KREN_BUSY: another call is under way.
 */
int kren_writer_close(kren_writer *writer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KREN_H */

#ifndef KREN_OPTIONS_DEFAULT
#define KREN_OPTIONS_DEFAULT
/** Options that leave everything at its default. */
static inline kren_options kren_options_default(void) {
  kren_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  return options;
}
#endif
