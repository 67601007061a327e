// What the examples share; the contents are those of ../c/pattern.h.
#ifndef EXAMPLE_HPP
#define EXAMPLE_HPP

#include "../c/pattern.h"

#include <kren.hpp>

#include <memory>

// For an end that waits for its peer to create the channel.
inline kren::options patient() {
  kren::options options;
  options.timeout_ns = PATIENCE;
  return options;
}

struct freer {
  void operator()(unsigned char *bytes) const noexcept { free(bytes); }
};

// Bytes that every language makes alike.
inline std::unique_ptr<unsigned char[], freer> pattern(std::size_t length) {
  return std::unique_ptr<unsigned char[], freer>(block(length));
}

inline const unsigned char *data_of(const kren::view &message) { return reinterpret_cast<const unsigned char *>(message.data()); }

#endif
