// Reads one message, from a writer in any language.
//
// Usage: hello_reader [CHANNEL]
#include "example.hpp"

#include <iostream>

int main(int count, char **arguments) {
  kren::reader reader(count > 1 ? arguments[1] : "hello", patient());
  std::cout << reader.read().text() << "\n";
}
