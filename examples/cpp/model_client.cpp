// Calls the methods of model_server, in whatever language that is written.
//
// Some at a time, and one whose answer comes in parts.
//
// Usage: model_client [CHANNEL] [COUNT]
#include "example.hpp"

int main(int count, char **arguments) {
  auto scores = number(count, arguments, 2, 100);
  kren::duration patience(PATIENCE);

  kren::client client(count > 1 ? arguments[1] : "model");
  std::vector<std::uint64_t> calls;
  for (std::uint32_t i = 0; i < scores; i++) {
    calls.push_back(client.start(std::string(i + 1, static_cast<char>(i & 255)), "score", patience));
  }
  for (std::uint32_t i = 0; i < scores; i++) {
    auto score = client.next(calls[i]);
    if (!score || score->text() != std::to_string((i + 1) * (i & 255))) fail("a score is wrong");
  }
  std::printf("scored %u\n", scores);

  auto call = client.start("one word at a time", "complete", patience);
  std::string words;
  while (auto word = client.next(call)) words += (words.empty() ? "" : " ") + word->str();
  std::puts(words.c_str());
}
