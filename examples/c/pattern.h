/* What the examples share: the command line, and contents that every language makes alike. Valid as C and as C++.
 *
 * examples/rust/src/lib.rs is this file in Rust. SHA-256 is here because C has none.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <kren.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a reader waits for its writer to create the channel: ten seconds. */
#define PATIENCE ((int64_t)10000000000)
/* The bytes of one image of the examples frames and fanout. */
#define FRAME ((size_t)1048576)

/* Ends the program with the library's own words if a call has failed. */
#define MUST(call)                                \
  do {                                            \
    if ((call) != KREN_OK) fail_with_last(#call); \
  } while (0)

static inline void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static inline void fail_with_last(const char *call) {
  char text[512];
  kren_error_message(text, sizeof text);
  fprintf(stderr, "%s: %s\n", call, text);
  exit(1);
}

/* Argument `index` of the command line as a number, or `fallback` where it is absent. */
static inline uint32_t number(int count, char **arguments, int index, uint32_t fallback) {
  return index < count ? (uint32_t)strtoul(arguments[index], NULL, 10) : fallback;
}

/* Whether the command line has this option. */
static inline int has(int count, char **arguments, const char *option) {
  int at;
  for (at = 1; at < count; at++) {
    if (strcmp(arguments[at], option) == 0) return 1;
  }
  return 0;
}

/* `length` bytes that look random and are the same everywhere: xorshift32, four bytes a step. */
static inline unsigned char *block(size_t length) {
  uint32_t state = 0x4B52454E;
  unsigned char *bytes = (unsigned char *)malloc(length + 4);
  size_t at;
  if (bytes == NULL) fail("no memory");
  for (at = 0; at < length; at += 4) {
    int byte;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    for (byte = 0; byte < 4; byte++) bytes[at + (size_t)byte] = (unsigned char)(state >> (8 * byte));
  }
  return bytes;
}

/* Where in the block the message `number` of the example stream begins, and its length, of 0 to `max_size` bytes. */
static inline size_t stream_start(uint32_t number_) { return number_ % 65536; }
static inline size_t stream_length(uint32_t number_, uint32_t max_size) {
  return (uint32_t)(number_ * 2654435761u) % (max_size + 1);
}

/* Little-endian, at the beginning of an image. */
static inline void put_number(unsigned char *place, uint64_t value) {
  int byte;
  for (byte = 0; byte < 8; byte++) place[byte] = (unsigned char)(value >> (8 * byte));
}

static inline uint64_t get_number(const unsigned char *place) {
  uint64_t value = 0;
  int byte;
  for (byte = 7; byte >= 0; byte--) value = value << 8 | place[byte];
  return value;
}

typedef struct sha256 {
  uint32_t state[8];
  uint64_t length;
  unsigned char rest[64];
} sha256;

static inline sha256 sha256_begin(void) {
  sha256 hash = {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, 0, {0}};
  return hash;
}

static inline uint32_t sha256_turn(uint32_t word, int by) { return word >> by | word << (32 - by); }

static inline void sha256_block(sha256 *hash, const unsigned char *data) {
  static const uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
      0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
      0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
      0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
      0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
      0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64], s[8];
  int at;
  for (at = 0; at < 16; at++) {
    const unsigned char *word = data + 4 * at;
    w[at] = (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 | word[3];
  }
  for (at = 16; at < 64; at++) {
    uint32_t a = w[at - 15], b = w[at - 2];
    w[at] = w[at - 16] + (sha256_turn(a, 7) ^ sha256_turn(a, 18) ^ a >> 3) + w[at - 7] +
            (sha256_turn(b, 17) ^ sha256_turn(b, 19) ^ b >> 10);
  }
  memcpy(s, hash->state, sizeof s);
  for (at = 0; at < 64; at++) {
    uint32_t one = s[7] + (sha256_turn(s[4], 6) ^ sha256_turn(s[4], 11) ^ sha256_turn(s[4], 25)) +
                   ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[at] + w[at];
    uint32_t two = (sha256_turn(s[0], 2) ^ sha256_turn(s[0], 13) ^ sha256_turn(s[0], 22)) +
                   ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += one;
    s[0] = one + two;
  }
  for (at = 0; at < 8; at++) hash->state[at] += s[at];
}

static inline void sha256_add(sha256 *hash, const void *data, size_t len) {
  const unsigned char *bytes = (const unsigned char *)data;
  while (len > 0) {
    size_t filled = (size_t)(hash->length % 64);
    size_t part = 64 - filled < len ? 64 - filled : len;
    if (part == 64) {
      sha256_block(hash, bytes);
    } else {
      memcpy(hash->rest + filled, bytes, part);
      if (filled + part == 64) sha256_block(hash, hash->rest);
    }
    hash->length += part;
    bytes += part;
    len -= part;
  }
}

static inline void sha256_end(sha256 *hash, unsigned char *digest) {
  static const unsigned char pad[64] = {0x80};
  uint64_t bits = hash->length * 8;
  unsigned char length[8];
  int at;
  for (at = 0; at < 8; at++) length[at] = (unsigned char)(bits >> (56 - 8 * at));
  sha256_add(hash, pad, 1 + (119 - (size_t)(hash->length % 64)) % 64);
  sha256_add(hash, length, sizeof length);
  for (at = 0; at < 32; at++) digest[at] = (unsigned char)(hash->state[at / 4] >> (24 - 8 * (at % 4)));
}

/* The digest as the other languages print it. */
static inline void sha256_print(sha256 *hash) {
  unsigned char digest[32];
  int at;
  sha256_end(hash, digest);
  printf("sha256 ");
  for (at = 0; at < 32; at++) printf("%02x", digest[at]);
  printf("\n");
}

#endif
