/* The sides of a channel in processes of their own, and two threads on one handle.
 *
 * Usage: sides write|read|hang|hear|threads|swing|swing-back|push|pull CHANNEL
 */
#include "check.h"

#include <pthread.h>
#include <unistd.h>

#define COUNT 200000

static kren_reader *connect_to(const char *channel) {
  kren_options options = kren_options_default();
  kren_reader *reader;
  options.timeout_ns = PATIENCE;
  OK(kren_reader_connect(channel, &options, &reader));
  return reader;
}

static void write_all(const char *channel) {
  kren_writer *writer;
  uint32_t at;
  OK(kren_writer_create(channel, 1 << 16, NULL, &writer));
  for (at = 0; at < COUNT; at++) {
    uint32_t words[64];
    uint32_t word, count = at % 64;
    for (word = 0; word < count; word++) words[word] = at + word;
    OK(kren_write(writer, words, count * sizeof *words, at, KREN_FOREVER));
  }
  OK(kren_writer_close(writer));
}

static void read_all(const char *channel) {
  kren_reader *reader = connect_to(channel);
  kren_message message;
  uint32_t at = 0;
  int code;
  while ((code = kren_read(reader, &message, KREN_FOREVER)) == KREN_OK) {
    uint32_t word, words[64];
    CHECK(message.tag == at && message.len == at % 64 * sizeof *words);
    memcpy(words, message.data, message.len);
    for (word = 0; word < at % 64; word++) CHECK(words[word] == at + word);
    at++;
  }
  IS(KREN_CLOSED, code);
  CHECK(at == COUNT);
  OK(kren_reader_close(reader));
}

/* Commits one message, reserves another one, and waits to be killed. */
static void hang(const char *channel) {
  kren_writer *writer;
  void *place;
  OK(kren_writer_create(channel, 4096, NULL, &writer));
  OK(kren_write(writer, "committed", 9, 0, 0));
  OK(kren_reserve(writer, 10, &place, 0));
  memset(place, 1, 10);
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}

static void hear(const char *channel) {
  kren_reader *reader = connect_to(channel);
  kren_message message;
  OK(kren_read(reader, &message, KREN_FOREVER));
  CHECK(holds(message, "committed"));
  puts("heard");
  fflush(stdout);
  IS(KREN_PEER_DIED, kren_read(reader, &message, KREN_FOREVER));
  CHECK(kren_error_figure() > 0);
  OK(kren_reader_close(reader));
}

static void *wait_here(void *reader) {
  kren_message message;
  OK(kren_read((kren_reader *)reader, &message, KREN_FOREVER));
  CHECK(holds(message, "enough"));
  return NULL;
}

/* While one thread waits, the other one's calls have a code. */
static void threads(const char *channel) {
  kren_writer *writer;
  kren_reader *reader;
  kren_message message;
  pthread_t thread;
  int code;
  OK(kren_writer_create(channel, 4096, NULL, &writer));
  OK(kren_reader_connect(channel, NULL, &reader));
  CHECK(pthread_create(&thread, NULL, wait_here, reader) == 0);
  while ((code = kren_read(reader, &message, 0)) == KREN_EMPTY) usleep(1000);
  IS(KREN_BUSY, code);
  IS(KREN_BUSY, kren_release(reader, NULL));
  IS(KREN_BUSY, kren_reader_close(reader));
  OK(kren_write(writer, "enough", 6, 0, 0));
  CHECK(pthread_join(thread, NULL) == 0);
  OK(kren_reader_close(reader));
  OK(kren_writer_close(writer));
}

/* Messages there and back, by sides that sleep at once: a message that did not wake its reader would wait for its next look. */
static void swing(const char *channel, int leads) {
  char names[2][128];
  kren_options options = kren_options_default();
  kren_writer *writer;
  kren_reader *reader;
  kren_message message;
  int at;
  snprintf(names[0], sizeof *names, "%s-%d", channel, leads);
  snprintf(names[1], sizeof *names, "%s-%d", channel, !leads);
  options.strategy = KREN_SLEEP;
  OK(kren_writer_create(names[0], 4096, &options, &writer));
  options.timeout_ns = PATIENCE;
  OK(kren_reader_connect(names[1], &options, &reader));
  for (at = 0; at < 1000; at++) {
    static char block[1000];
    /* Short ones and long ones take different ways. */
    size_t len = at % 2 ? 8 : sizeof block;
    if (leads) OK(kren_write(writer, block, len, (uint32_t)at, KREN_FOREVER));
    OK(kren_read(reader, &message, KREN_FOREVER));
    CHECK(message.tag == (uint32_t)at && message.len == len);
    if (at % 3) OK(kren_release(reader, &message));
    if (!leads) OK(kren_write(writer, block, len, (uint32_t)at, KREN_FOREVER));
  }
  OK(kren_release(reader, NULL));
  OK(kren_flush(writer, PATIENCE));
  OK(kren_writer_close(writer));
  OK(kren_reader_close(reader));
}

#define CROWD 1000
/* Records that the ring has room for, and their bytes. */
#define ROOM 4
#define RECORD 1008

/* Much more than the ring holds, by a writer that sleeps for room each time. */
static void push(const char *channel) {
  static char block[1000];
  kren_options options = kren_options_default();
  kren_writer *writer;
  int at;
  options.strategy = KREN_SLEEP;
  OK(kren_writer_create(channel, 4096, &options, &writer));
  for (at = 0; at < CROWD; at++) OK(kren_write(writer, block, sizeof block, (uint32_t)at, KREN_FOREVER));
  OK(kren_writer_close(writer));
}

/* Reads that by a reader that polls before it sleeps, and looks on after each message until its writer has filled the room. */
static void pull(const char *channel) {
  kren_reader *reader = connect_to(channel);
  kren_message message;
  int at = 0, code;
  kren_info info;
  info.size = sizeof info;
  while ((code = kren_read(reader, &message, KREN_FOREVER)) == KREN_OK) {
    CHECK(message.tag == (uint32_t)at++);
    do {
      OK(kren_reader_info(reader, &info));
    } while (at <= CROWD - ROOM && info.available < ROOM * RECORD);
  }
  IS(KREN_CLOSED, code);
  CHECK(at == CROWD);
  OK(kren_reader_close(reader));
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  switch (arguments[1][0]) {
    case 'w': write_all(arguments[2]); break;
    case 'r': read_all(arguments[2]); break;
    case 't': threads(arguments[2]); break;
    case 's': swing(arguments[2], strcmp(arguments[1], "swing") == 0); break;
    case 'p': strcmp(arguments[1], "push") == 0 ? push(arguments[2]) : pull(arguments[2]); break;
    default:
      if (strcmp(arguments[1], "hang") == 0) hang(arguments[2]);
      hear(arguments[2]);
  }
  return 0;
}
