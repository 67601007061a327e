/* What the workers of a soak share: messages, journals, control words. `src/soak` says why. */
#ifndef PLAN_H
#define PLAN_H

#include <fcntl.h>
#include <inttypes.h>
#include <kren.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPREAD 4096u
#define HEAD 8u
#define STOP 1u
#define LAST 2u
/* What stands in the journal of those that make messages; the last, of an inbox's senders. */
enum { INTENT, DONE, READ };
/* Nanoseconds that a blocking call may last before the control word is looked at, and after which one is wedged. */
#define LOOK INT64_C(200000000)
#define WEDGED INT64_C(120000000000)

_Noreturn static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/* Ends the worker if a call of the library has failed in a way that is not part of the plan. */
static inline void must(int code) {
  char text[1024];
  if (code == KREN_OK) return;
  kren_error_message(text, sizeof text);
  fail(text);
}

/* Leaves a peer that is gone before asking again. */
static inline void breathe(void) { usleep(2000); }

/* Words of a file that outlive their process. */
typedef volatile uint64_t words;

typedef struct {
  const char *folder, *channel, *kind;
  size_t capacity;
  uint32_t longest, strategy, session, place;
  words *control;
  uint8_t *table;
} plan;

static inline int open_in(const plan *task, const char *name, int flags) {
  char path[4096];
  int file;
  snprintf(path, sizeof path, "%s/%s", task->folder, name);
  file = open(path, flags, 0644);
  if (file < 0) fail(path);
  return file;
}

static inline words *words_of(const plan *task, const char *name) {
  int file = open_in(task, name, O_RDWR);
  struct stat found;
  void *place;
  if (fstat(file, &found) != 0) fail(name);
  place = mmap(NULL, (size_t)found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (place == MAP_FAILED) fail(name);
  close(file);
  return (words *)place;
}

/* The one of a session. */
static inline words *journal_of(const plan *task, uint32_t session) {
  char name[64];
  snprintf(name, sizeof name, "writer-%" PRIu32, session);
  return words_of(task, name);
}

static inline plan read_task(int count, char **arguments) {
  plan task;
  uint32_t at;
  if (count != 9) fail("FOLDER CHANNEL CAPACITY LONGEST STRATEGY SESSION PLACE KIND");
  memset(&task, 0, sizeof task);
  task.folder = arguments[1];
  task.channel = arguments[2];
  task.capacity = strtoull(arguments[3], NULL, 10);
  task.longest = (uint32_t)strtoul(arguments[4], NULL, 10);
  switch (arguments[5][1]) {
    case 'p': task.strategy = KREN_SPIN; break;
    case 'l': task.strategy = KREN_SLEEP; break;
    default: task.strategy = KREN_ADAPTIVE;
  }
  task.session = (uint32_t)strtoul(arguments[6], NULL, 10);
  task.place = (uint32_t)strtoul(arguments[7], NULL, 10);
  task.kind = arguments[8];
  task.control = words_of(&task, "control");
  task.table = (uint8_t *)malloc(SPREAD + task.longest);
  if (task.table == NULL) fail("no memory");
  for (at = 0; at < SPREAD + task.longest; at++) task.table[at] = (uint8_t)(at * 131 + (at >> 8) * 17);
  return task;
}

/* What it is told meanwhile. */
static inline uint64_t told(const plan *task) { return task->control[task->place]; }

static inline kren_options options_of(const plan *task) {
  kren_options options = kren_options_default();
  options.strategy = task->strategy;
  return options;
}

static inline uint32_t content_len(const plan *task, uint32_t number) {
  return (number * UINT32_C(2654435761)) % (task->longest + 1);
}

/* The length of a message of the plan. */
static inline size_t message_len(const plan *task, uint32_t number) { return HEAD + content_len(task, number); }

static inline void make_message(const plan *task, uint32_t session, uint32_t number, void *room) {
  uint8_t *bytes = (uint8_t *)room;
  memcpy(bytes, &session, 4);
  memcpy(bytes + 4, &number, 4);
  memcpy(bytes + HEAD, task->table + number % SPREAD, content_len(task, number));
}

/* Which message it is, which must be whole. */
static inline void check_message(const plan *task, kren_message message, uint32_t *session, uint32_t *number) {
  const uint8_t *bytes = (const uint8_t *)message.data;
  if (message.len < HEAD) fail("damaged message: shorter than its head");
  memcpy(session, bytes, 4);
  memcpy(number, bytes + 4, 4);
  if (message.len != message_len(task, *number) ||
      memcmp(bytes + HEAD, task->table + *number % SPREAD, message.len - HEAD) != 0) {
    fprintf(stderr, "damaged message: session %" PRIu32 " number %" PRIu32 ", %zu bytes\n", *session, *number,
            message.len);
    exit(1);
  }
}

/* A line that is whole, because it is one `write`. */
static inline void log_line(int log, const char *line) {
  char whole[256];
  int len = snprintf(whole, sizeof whole, "%s\n", line);
  if (write(log, whole, (size_t)len) != len) fail("the log takes nothing");
}

static inline int log_of(const plan *task, const char *name) {
  return open_in(task, name, O_WRONLY | O_CREAT | O_APPEND);
}

/* A byte for each message of a session: how often it was done, or how it ended. */
static inline uint8_t ledger_get(int ledger, uint32_t number) {
  uint8_t byte = 0;
  return pread(ledger, &byte, 1, number) == 1 ? byte : 0;
}

static inline void ledger_set(int ledger, uint32_t number, uint8_t value) {
  if (pwrite(ledger, &value, 1, number) != 1) fail("a ledger takes nothing");
}

/* The ledgers of all sessions, opened as they are met. */
typedef struct {
  int *files;
  uint32_t count;
} ledgers;

/* Notes it once more; how often it was before. */
static inline uint8_t note(const plan *task, ledgers *all, uint32_t session, uint32_t number) {
  char name[64];
  uint8_t before;
  while (all->count <= session) {
    all->files = (int *)realloc(all->files, (all->count + 1) * sizeof *all->files);
    if (all->files == NULL) fail("no memory");
    all->files[all->count++] = -1;
  }
  if (all->files[session] < 0) {
    snprintf(name, sizeof name, "ledger-%" PRIu32, session);
    all->files[session] = open_in(task, name, O_RDWR);
  }
  before = ledger_get(all->files[session], number);
  ledger_set(all->files[session], number, (uint8_t)(before + 1));
  return before;
}

#endif
